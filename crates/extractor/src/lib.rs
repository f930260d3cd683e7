//! The only reader of Salesforce data: windows, pages, bulk jobs, deletes, runs.

//! A faithful Salesforce for tests and the demo.

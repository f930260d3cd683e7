//! Decides how a Salesforce record becomes a customer: pure, no IO.

//! The simulator from outside, over HTTP. Numbers in names are those of the conformance cases.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod cases {
    mod bulk;
    mod control;
    mod faults;
    mod identity;
    mod lifecycle;
    mod oauth;
    mod oracle;
    mod pages;
    mod refusals;
    mod replication;
    mod simple_salesforce;
    mod support;
    mod values;
}

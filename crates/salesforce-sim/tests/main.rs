//! The simulator from outside, over HTTP. Numbers in names are those of the conformance cases.

mod cases {
    mod bulk;
    mod control;
    mod faults;
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

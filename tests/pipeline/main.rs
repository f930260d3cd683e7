//! The whole pipeline, end to end, on real parts; the only stand-in is Salesforce.

mod crash;
mod story;
mod world;

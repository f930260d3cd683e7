//! The one door to the dev loop.
fn main() {}

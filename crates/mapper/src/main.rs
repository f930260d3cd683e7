//! Keeps field and value mappings and the source store; applies them to the stream.
fn main() {}

//! lanesync on the command line.
fn main() {}

//! lanesync on the command line.

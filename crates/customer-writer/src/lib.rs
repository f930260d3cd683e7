//! Keeps customers and contacts equal to the newest version of every record.

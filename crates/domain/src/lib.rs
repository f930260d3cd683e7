//! The words that every part of lanesync uses.

//! Starts and stops the parts of lanesync as real processes, for the dev loop and for tests.

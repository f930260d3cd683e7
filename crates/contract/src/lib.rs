//! What two services must agree on: messages, subjects, streams, errors.

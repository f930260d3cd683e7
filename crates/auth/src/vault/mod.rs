//! Sealed secrets: a data key per connection, wrapped by a key of the ring, bound to where it belongs.
//!
//! What is sealed for one workspace, connection, epoch and field does not open for another, so a copied row is worthless.

mod envelope;
mod keyring;

pub use envelope::{DataKey, OpenError, Place, Sealed, WrappedKey};
pub use keyring::{KeyRing, KeyRingError};

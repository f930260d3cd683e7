//! JetStream: publish and wait for the ack, consume and settle, set up and verify streams.
//!
//! A message ends as an effect, as a later try, or as a dead letter; never as a log line. One place acts on that: [`consume()`].

mod bucket;
mod bus;
mod consume;
mod delivery;
mod metrics;
pub mod setup;
mod trace;

pub use bucket::{Bucket, BucketError};
pub use bus::{Bus, Config, ConnectError, Publication, PublishError};
pub use consume::{ConsumeError, Handler, Options, consume};
pub use delivery::{Delivery, Outcome, UnreadableMessage};

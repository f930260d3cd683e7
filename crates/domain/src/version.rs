//! The order of what we know about a record: the guard of every write.

use serde::{Deserialize, Serialize};

/// Grows with every connect, disconnect and change of org.
pub type Epoch = i64;
/// The order of our own reads of Salesforce.
pub type ReadSeq = i64;
/// One counter per workspace over all mappings.
pub type MappingVersion = i64;

/// How new a mapped record is. Greater wins, compared from the first field to the last; equal is the same message again.
///
/// `SystemModstamp` is deliberately not part of it: it does not move when a formula changes, and two changes can share a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceVersion {
    /// Epoch of the connection that the record was read in.
    pub epoch: Epoch,
    /// Read that brought the image.
    pub read_seq: ReadSeq,
    /// Mapping that was applied to it.
    pub mapping_version: MappingVersion,
    /// Grows when an older image, delivered late, taught the store a newer mapped option value for the same read.
    pub revision: i32,
}

//! What two services must agree on: generated messages, subjects, streams, headers, the error table.
//!
//! Generated types stop here: [`convert`] turns them into domain words and back.

pub mod access;
pub mod body;
pub mod convert;
pub mod error;
pub mod headers;
mod key_hash;
pub mod parking;
mod secret;
pub mod streams;
pub mod subjects;

macro_rules! package {
    ($(#[$doc:meta])* $area:ident, $name:literal) => {
        $(#[$doc])*
        pub mod $area {
            /// Version 1; only ever added to.
            #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
            pub mod v1 {
                tonic::include_proto!($name);
            }
        }
    };
}

/// The generated messages, by package.
pub mod lanesync {
    package!(
        /// Words that several packages share.
        common,
        "lanesync.common.v1"
    );
    package!(
        /// What travels over NATS.
        event,
        "lanesync.event.v1"
    );
    package!(
        /// What every service says about itself.
        status,
        "lanesync.status.v1"
    );
    package!(
        /// How auth tells the others what became of a workspace.
        admin,
        "lanesync.admin.v1"
    );
    package!(
        /// Workspaces, connections, access tokens.
        auth,
        "lanesync.auth.v1"
    );
    package!(
        /// Schema, runs, schedule.
        extractor,
        "lanesync.extractor.v1"
    );
    package!(
        /// Mappings, unmapped values, replays.
        mapper,
        "lanesync.mapper.v1"
    );
    package!(
        /// Customers, parked records, applied chunks.
        writer,
        "lanesync.writer.v1"
    );
}

pub use key_hash::KeyHash;
pub use lanesync::{admin, auth, common, event, extractor, mapper, status, writer};

/// The descriptors of all packages, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("descriptor");

//! The audit log of auth; see [`service::audit`].

use domain::WorkspaceId;
pub use service::audit::{Broken, Entry};
use uuid::Uuid;

use super::StoreError;

/// The chain of what operators do for the whole installation.
pub const OPERATOR: WorkspaceId = WorkspaceId(Uuid::nil());

service::audit_log!("auth", StoreError);

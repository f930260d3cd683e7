//! The audit log of the mapper; see [`service::audit`].

pub(crate) use service::audit::Entry;

use crate::store::StoreError;

service::audit_log!("mapper", StoreError);

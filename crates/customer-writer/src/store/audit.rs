//! The audit log of the writer; see [`service::audit`].

pub(crate) use service::audit::Entry;

service::audit_log!("customers", sqlx::Error);

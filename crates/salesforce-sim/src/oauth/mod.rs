//! OAuth 2.0: authorize, token, revoke, identity, and the older SOAP login.

mod authorize;
mod grants;
mod identity;
mod soap;
mod token;

pub(crate) use authorize::{authorize, error_page};
pub use grants::AppSpec;
pub(crate) use grants::{Grants, Session};
pub(crate) use identity::{identity, userinfo};
pub(crate) use soap::login;
pub(crate) use token::{revoke, token};

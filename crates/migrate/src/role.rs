//! The Postgres roles that services log in with.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The role that owns every schema and table; nobody logs in as it.
pub(crate) const OWNER: &str = "lanesync_owner";

/// A role that one service logs in with. It owns nothing and reaches one schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Of the service auth.
    Auth,
    /// Of the service extractor.
    Extractor,
    /// Of the service mapper.
    Mapper,
    /// Of the service customer-writer.
    Writer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Extractor, Self::Mapper, Self::Writer];

    /// The name to log in with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "lanesync_auth",
            Self::Extractor => "lanesync_extractor",
            Self::Mapper => "lanesync_mapper",
            Self::Writer => "lanesync_writer",
        }
    }

    /// The schema its service keeps its tables in.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Extractor => "extractor",
            Self::Mapper => "mapper",
            Self::Writer => "customers",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What the roles log in with. A role without a password keeps the one it has; a new one can't log in.
#[derive(Default)]
pub struct RolePasswords(BTreeMap<Role, String>);

/// The text holds no passwords for our roles.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPasswords {
    /// It is not a JSON object of texts. What was wrong is not repeated: it may hold a password.
    #[error("the role passwords are not a JSON object of texts")]
    Unreadable,
    /// It names a role that is not ours.
    #[error("{0:?} is no role of lanesync")]
    UnknownRole(String),
}

impl RolePasswords {
    /// One password for all roles, for tests.
    #[must_use]
    pub fn same(password: &str) -> Self {
        let passwords = Role::ALL.map(|role| (role, password.to_owned()));
        Self(passwords.into())
    }

    /// Reads `{"lanesync_auth": "…", …}`.
    ///
    /// # Errors
    /// It is something else, or names an unknown role.
    pub fn from_json(text: &str) -> Result<Self, InvalidPasswords> {
        #[derive(Deserialize)]
        struct Named(BTreeMap<String, String>);

        let Named(named) = serde_json::from_str(text).map_err(|_| InvalidPasswords::Unreadable)?;
        named
            .into_iter()
            .map(|(name, password)| match Role::named(&name) {
                Some(role) => Ok((role, password)),
                None => Err(InvalidPasswords::UnknownRole(name)),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn of(&self, role: Role) -> Option<&str> {
        self.0.get(&role).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_role_is_refused_by_name() {
        let refused = RolePasswords::from_json(r#"{"lanesync_oauth": "secret"}"#);
        let message = refused.err().unwrap().to_string();
        assert_eq!(message, r#""lanesync_oauth" is no role of lanesync"#);
    }

    #[test]
    fn a_fault_in_the_file_does_not_repeat_a_password() {
        let refused = RolePasswords::from_json(r#"{"lanesync_auth": "secret", "#);
        assert!(!refused.err().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn every_role_can_be_given_its_password() {
        let text = r#"{"lanesync_auth":"a","lanesync_extractor":"e","lanesync_mapper":"m","lanesync_writer":"w"}"#;
        let passwords = RolePasswords::from_json(text).unwrap();
        let read: Vec<_> = Role::ALL.map(|role| passwords.of(role)).into();
        assert_eq!(read, [Some("a"), Some("e"), Some("m"), Some("w")]);
    }
}

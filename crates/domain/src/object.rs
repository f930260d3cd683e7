//! What is read from Salesforce, and what it becomes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An object that is read from Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Object {
    /// Becomes a customer account.
    Account,
    /// Becomes a contact.
    Contact,
    /// Becomes a contact, through the same mapping.
    Lead,
}

impl Object {
    /// All objects, in the order in which they are read first.
    pub const ALL: [Self; 3] = [Self::Account, Self::Contact, Self::Lead];

    /// Returns Salesforce's own name.
    #[must_use]
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Contact => "Contact",
            Self::Lead => "Lead",
        }
    }

    /// Returns the name for subjects, labels and tables.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
            Self::Lead => "lead",
        }
    }

    /// Returns the object of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.token() == token)
    }

    /// Returns the prefix of its record ids.
    #[must_use]
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Account => "001",
            Self::Contact => "003",
            Self::Lead => "00Q",
        }
    }

    /// Returns what its records become.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Account => Kind::Account,
            Self::Contact | Self::Lead => Kind::Contact,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What a record becomes in Lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A customer account.
    Account,
    /// A person.
    Contact,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Account, Self::Contact];

    /// Returns the name for labels and tables.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
        }
    }

    /// Returns the kind of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.token() == token)
    }

    /// Returns the objects that feed it.
    #[must_use]
    pub fn objects(self) -> &'static [Object] {
        match self {
            Self::Account => &[Object::Account],
            Self::Contact => &[Object::Contact, Object::Lead],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

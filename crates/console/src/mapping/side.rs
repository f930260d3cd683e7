//! The two tabs: accounts, and people from contacts and leads.

use contract::common::v1::{RecordKind, SalesforceObject};

use crate::web::ROOT;

/// What is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Accounts become customers.
    Accounts,
    /// Contacts and leads become people.
    People,
}

impl Side {
    /// Both, in order.
    pub(super) const ALL: [Self; 2] = [Self::Accounts, Self::People];

    /// Returns both, for the tabs of one.
    pub(super) fn all(self) -> [Self; 2] {
        Self::ALL
    }

    /// Returns the side of a word in an address.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.word() == word)
    }

    /// Returns the side that a Salesforce id belongs to, by its prefix.
    pub(super) fn of_record(id: &str) -> Option<Self> {
        match id.get(..3)? {
            "001" => Some(Self::Accounts),
            "003" | "00Q" => Some(Self::People),
            _ => None,
        }
    }

    /// Returns the word in addresses.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::People => "people",
        }
    }

    /// Returns the title of the tab.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Accounts => "Accounts",
            Self::People => "Contacts & Leads",
        }
    }

    /// Returns the address of the tab.
    pub(super) fn href(self) -> String {
        format!("{ROOT}/mapping/{}", self.word())
    }

    /// Returns the kind, as the contracts write it.
    pub(super) fn kind(self) -> RecordKind {
        match self {
            Self::Accounts => RecordKind::Account,
            Self::People => RecordKind::Contact,
        }
    }

    /// Returns the object whose fields are chosen.
    pub(super) fn object(self) -> SalesforceObject {
        match self {
            Self::Accounts => SalesforceObject::Account,
            Self::People => SalesforceObject::Contact,
        }
    }
}

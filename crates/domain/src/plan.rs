//! What a workspace pays for.

use serde::{Deserialize, Serialize};

/// A plan of Lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// No Salesforce sync.
    Starter,
    /// No Salesforce sync.
    Pro,
    /// Salesforce sync included.
    Business,
}

impl Plan {
    /// Whether the plan may connect, map and sync.
    #[must_use]
    pub fn includes_salesforce(self) -> bool {
        self == Self::Business
    }

    /// Returns the name for tables and labels.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Business => "business",
        }
    }

    /// Returns the plan of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Starter, Self::Pro, Self::Business].into_iter().find(|plan| plan.token() == token)
    }
}

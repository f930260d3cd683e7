//! Which values a person looks at: the filter, the search, the page.

use contract::mapper::v1::{ValueCounts, ValueDecision};
use serde::Deserialize;

use super::Group;
use crate::web::ROOT;

/// Which decisions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Show {
    /// All, open ones first.
    #[default]
    All,
    /// Without a decision.
    Open,
    /// Mapped to an option.
    Mapped,
    /// Ignored.
    Ignored,
}

impl Show {
    pub(super) const ALL: [Self; 4] = [Self::All, Self::Open, Self::Mapped, Self::Ignored];

    pub(super) fn token(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Mapped => "mapped",
            Self::Ignored => "ignored",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Open => "Open",
            Self::Mapped => "Mapped",
            Self::Ignored => "Ignored",
        }
    }

    /// Returns what the mapper is asked for.
    pub(super) fn decision(self) -> ValueDecision {
        match self {
            Self::All => ValueDecision::Unspecified,
            Self::Open => ValueDecision::Open,
            Self::Mapped => ValueDecision::Map,
            Self::Ignored => ValueDecision::Ignore,
        }
    }

    /// Returns how many values it leaves.
    pub(super) fn count(self, counts: &ValueCounts) -> i64 {
        match self {
            Self::All => counts.open + counts.mapped + counts.ignored,
            Self::Open => counts.open,
            Self::Mapped => counts.mapped,
            Self::Ignored => counts.ignored,
        }
    }
}

/// What stands in the address. Whatever does not hold counts as not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    pub(super) show: String,
    pub(super) q: String,
    /// Page of the accounts' values.
    pub(super) accounts: String,
    /// Page of the people's values.
    pub(super) people: String,
    /// Of the last save: how many values were decided,
    pub(super) decided: String,
    /// how many records change by it,
    pub(super) changed: String,
    /// and whose.
    pub(super) of: String,
}

impl Look {
    pub(super) fn show(&self) -> Show {
        Show::ALL.into_iter().find(|show| show.token() == self.show).unwrap_or_default()
    }

    /// Returns the page of a group, counted from 1.
    pub(super) fn page(&self, group: Group) -> usize {
        let page = match group {
            Group::Accounts => &self.accounts,
            Group::People => &self.people,
        };
        page.parse().unwrap_or(1).max(1)
    }

    /// The same with another filter, from the first page.
    pub(super) fn showing(&self, show: Show) -> Self {
        Self { show: show.token().to_owned(), q: self.q.clone(), ..Self::default() }
    }

    /// The same with another page of one group.
    pub(super) fn turned(&self, group: Group, page: usize) -> Self {
        let page = page.to_string();
        let kept = Self { decided: String::new(), changed: String::new(), of: String::new(), ..self.clone() };
        match group {
            Group::Accounts => Self { accounts: page, ..kept },
            Group::People => Self { people: page, ..kept },
        }
    }

    /// Returns the address of a field's values as they are looked at.
    pub(super) fn href(&self, field: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let said = [
            ("show", &self.show),
            ("q", &self.q),
            ("accounts", &self.accounts),
            ("people", &self.people),
            ("decided", &self.decided),
            ("changed", &self.changed),
            ("of", &self.of),
        ];
        for (name, value) in said.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        let joint = if query.is_empty() { "" } else { "?" };
        format!("{ROOT}/values/{field}{joint}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_said_and_nothing_else() {
        let look = Look { q: "a&b <".into(), show: "open".into(), people: "3".into(), ..Look::default() };
        assert_eq!(look.href("tier"), "/integrations/salesforce/values/tier?show=open&q=a%26b+%3C&people=3");
        assert_eq!(look.showing(Show::All).href("tier"), "/integrations/salesforce/values/tier?show=all&q=a%26b+%3C");
        assert_eq!(Look::default().href("status"), "/integrations/salesforce/values/status");
        let odd = Look { show: "x".into(), people: "-4".into(), ..Look::default() };
        assert_eq!((odd.show(), odd.page(Group::People), odd.page(Group::Accounts)), (Show::All, 1, 1));
    }
}

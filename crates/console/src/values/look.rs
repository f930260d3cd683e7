//! Which values a person looks at: the filter, the search, the page.

use contract::mapper::v1::{ValueDecision, ValueMapping};
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

    pub(super) fn holds(self, value: &ValueMapping) -> bool {
        match (self, value.decision()) {
            (Self::All, _) => true,
            (Self::Open, decision) => matches!(decision, ValueDecision::Open | ValueDecision::Unspecified),
            (Self::Mapped, decision) => decision == ValueDecision::Map,
            (Self::Ignored, decision) => decision == ValueDecision::Ignore,
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

    /// Whether a value passes filter and search.
    pub(super) fn holds(&self, value: &ValueMapping) -> bool {
        self.show().holds(value) && self.finds(value)
    }

    /// Whether a value passes the search.
    pub(super) fn finds(&self, value: &ValueMapping) -> bool {
        let wanted = self.q.trim().to_lowercase();
        wanted.is_empty() || [&value.value, &value.label].iter().any(|text| text.to_lowercase().contains(&wanted))
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

    #[test]
    fn search_looks_at_value_and_label_in_any_case() {
        let value = ValueMapping { value: "T1".into(), label: "Mittelstand ÄÖ".into(), ..Default::default() };
        let finds = |q: &str| Look { q: q.into(), ..Look::default() }.holds(&value);
        assert!(finds("t1") && finds(" äö ") && finds("") && !finds("t2"));
    }
}

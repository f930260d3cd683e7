//! What a person chose in the form of a group, and the decisions that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use contract::error::Reason;
use contract::mapper::v1::{ValueDecision, ValueMapping};

use super::list::Chosen;
use super::look::Look;
use crate::trouble::Trouble;

/// Decisions that the mapper takes in one call.
pub(super) const AT_ONCE: usize = 1_000;

/// What becomes of a picklist value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nobody decided.
    Open,
    /// The Lane field stays as it is.
    Ignore,
    /// The option with this key.
    Option(String),
}

impl Target {
    /// Returns what stands in the form. A key begins with a letter, so the other two can be told from it.
    pub(super) fn token(&self) -> &str {
        match self {
            Self::Open => "",
            Self::Ignore => "-",
            Self::Option(key) => key,
        }
    }

    pub(super) fn of_token(token: &str) -> Self {
        match token {
            "" => Self::Open,
            "-" => Self::Ignore,
            key => Self::Option(key.to_owned()),
        }
    }

    /// Returns what was decided.
    pub(super) fn of(value: &ValueMapping) -> Self {
        match value.decision() {
            ValueDecision::Map => Self::Option(value.option.clone()),
            ValueDecision::Ignore => Self::Ignore,
            ValueDecision::Open | ValueDecision::Unspecified => Self::Open,
        }
    }
}

/// The form of a group as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Whether only to say what it would do.
    pub(super) checks: bool,
    /// Etag of the list that the form was made of.
    pub(super) etag: String,
    /// What was looked at.
    pub(super) look: Look,
    /// Rows that were changed: id and what they become.
    changed: BTreeMap<String, String>,
    /// Ticked rows.
    ticked: BTreeSet<String>,
    /// What ticked rows become; `None` when nothing was chosen.
    pub(super) bulk: Option<String>,
    /// Whether every value found counts as ticked, on whatever page.
    pub(super) takes_all: bool,
}

/// Why a form can't be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing was chosen that is not so already.
    Nothing,
    /// Rows are ticked, and nothing was chosen for them.
    NoTarget,
    /// Something was chosen for ticked rows, and none is.
    NoTicks,
    /// More than one save takes.
    TooMany,
}

impl Fault {
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("Nothing has changed", "Choose an option for a value, then save."),
            Self::NoTarget => {
                ("Choose what the ticked values become", "Choose an option, or ignore, beside “Ticked values become”.")
            }
            Self::NoTicks => ("Tick the values first", "Tick each value that it is for, then apply again."),
            Self::TooMany => {
                ("This is too much at once", "Search for fewer values: at most 1,000 are decided at once.")
            }
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        let (title, advice) = fault.words();
        Self::new(Reason::ArgumentInvalid, title, "Nothing was saved.").advise(advice)
    }
}

impl Choice {
    /// Reads a form. A row carries what it became and what it was: only what the person changed counts, so that a save of
    /// somebody else meanwhile is not undone by accident.
    pub(super) fn read(pairs: &[(String, String)]) -> Self {
        let mut choice = Self::default();
        let (mut to, mut was) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in pairs {
            match name.as_str() {
                "do" => choice.checks = value == "check",
                "etag" => choice.etag.clone_from(value),
                "show" => choice.look.show.clone_from(value),
                "q" => choice.look.q.clone_from(value),
                "accounts" => choice.look.accounts.clone_from(value),
                "people" => choice.look.people.clone_from(value),
                "pick" => {
                    choice.ticked.insert(value.clone());
                }
                "all" => choice.takes_all = true,
                // "none" is the first entry of the list: nothing was chosen.
                "bulk" => choice.bulk = (value != "none").then(|| value.clone()),
                _ => {
                    if let Some(id) = name.strip_prefix("to-") {
                        to.insert(id.to_owned(), value.clone());
                    } else if let Some(id) = name.strip_prefix("was-") {
                        was.insert(id.to_owned(), value.clone());
                    }
                }
            }
        }
        to.retain(|id, token| was.get(id).is_none_or(|was| was != token));
        choice.changed = to;
        choice
    }

    /// Whether a value is ticked.
    pub(super) fn is_ticked(&self, value: &ValueMapping) -> bool {
        self.ticked.contains(&value.id)
    }

    /// Returns the ids of rows that were ticked or changed.
    pub(super) fn named(&self) -> Vec<String> {
        self.ticked.iter().chain(self.changed.keys().filter(|id| !self.ticked.contains(*id))).cloned().collect()
    }

    /// Returns what the person chose for a value's own row.
    pub(super) fn row(&self, value: &ValueMapping) -> Option<Target> {
        self.changed.get(&value.id).map(|token| Target::of_token(token))
    }

    /// Returns what is to be saved: rows as they were changed, and what is chosen for ticked ones over that.
    pub(super) fn decisions(&self, chosen: &Chosen) -> Result<Vec<ValueMapping>, Fault> {
        let has_ticks = self.takes_all || !self.ticked.is_empty();
        let bulk = match (&self.bulk, has_ticks) {
            (Some(_), false) => return Err(Fault::NoTicks),
            (None, true) if self.changed.is_empty() => return Err(Fault::NoTarget),
            (bulk, _) => bulk.as_deref().map(Target::of_token),
        };
        let found: BTreeSet<&str> = chosen.found.iter().map(|value| value.id.as_str()).collect();
        let named = chosen.named.iter().filter(|value| !found.contains(value.id.as_str()));
        let taken = chosen.found.iter().map(|value| (value, true));
        let decided = taken.chain(named.map(|value| (value, self.is_ticked(value)))).filter_map(|(value, is_taken)| {
            let target = bulk.clone().filter(|_| is_taken).or_else(|| self.row(value));
            Some(decision(value, &target.filter(|target| *target != Target::of(value))?))
        });
        let decided: Vec<_> = decided.collect();
        match decided.len() {
            0 => Err(Fault::Nothing),
            1..=AT_ONCE => Ok(decided),
            _ => Err(Fault::TooMany),
        }
    }
}

/// Returns the decision that a value becomes something.
pub(super) fn decision(value: &ValueMapping, target: &Target) -> ValueMapping {
    let (decision, option) = match target {
        Target::Open => (ValueDecision::Open, String::new()),
        Target::Ignore => (ValueDecision::Ignore, String::new()),
        Target::Option(key) => (ValueDecision::Map, key.clone()),
    };
    ValueMapping { value: value.value.clone(), decision: decision.into(), option, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(id: &str, text: &str, target: Target) -> ValueMapping {
        let decided = decision(&ValueMapping { value: text.into(), ..Default::default() }, &target);
        ValueMapping { id: id.into(), ..decided }
    }

    fn form(pairs: &[(&str, &str)]) -> Choice {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Choice::read(&pairs)
    }

    /// The rows on the page; every value is one that the search finds.
    fn shown(choice: &Choice, values: &[ValueMapping]) -> Chosen {
        let ids = choice.named();
        let named = values.iter().filter(|value| ids.contains(&value.id)).cloned().collect();
        Chosen { named, found: if choice.takes_all { values.to_vec() } else { Vec::new() } }
    }

    fn told(choice: &Choice, values: &[ValueMapping]) -> Vec<(String, Target)> {
        let decided = choice.decisions(&shown(choice, values)).unwrap();
        decided.iter().map(|value| (value.value.clone(), Target::of(value))).collect()
    }

    #[test]
    fn only_rows_that_the_person_changed_are_saved() {
        let values = [value("1", "Gold", Target::Open), value("2", "Silver", Target::Option("smb".into()))];
        let choice = form(&[("to-1", "enterprise"), ("was-1", ""), ("to-2", ""), ("was-2", "")]);
        // The second was mapped by somebody else since: it was open in this form and was not touched.
        assert_eq!(told(&choice, &values), [("Gold".to_owned(), Target::Option("enterprise".into()))]);
        let choice = form(&[("to-1", ""), ("was-1", ""), ("to-2", "-"), ("was-2", "smb")]);
        assert_eq!(told(&choice, &values), [("Silver".to_owned(), Target::Ignore)]);
        let choice = form(&[("to-1", ""), ("was-1", "")]);
        assert_eq!((choice.named(), choice.decisions(&shown(&choice, &values))), (Vec::new(), Err(Fault::Nothing)));
    }

    #[test]
    fn ticked_values_become_what_was_chosen_for_them() {
        let values = [
            value("1", "Gold", Target::Open),
            value("2", "Gold plus", Target::Open),
            value("3", "Silver", Target::Option("smb".into())),
        ];
        let choice = form(&[("pick", "1"), ("pick", "3"), ("bulk", "-"), ("to-1", "smb"), ("was-1", "")]);
        assert_eq!(
            told(&choice, &values),
            [("Gold".to_owned(), Target::Ignore), ("Silver".to_owned(), Target::Ignore)]
        );
        let choice = form(&[("all", "1"), ("bulk", "smb"), ("to-1", "-"), ("was-1", "")]);
        assert_eq!(told(&choice, &values).len(), 2, "found on whatever page, each once; the third is so already");
        let choice = form(&[("pick", "3"), ("bulk", "")]);
        assert_eq!(told(&choice, &values), [("Silver".to_owned(), Target::Open)], "reopened");
    }

    #[test]
    fn what_is_missing_is_said() {
        let values = [value("1", "Gold", Target::Open)];
        let fault = |pairs: &[(&str, &str)], values: &[ValueMapping]| {
            let choice = form(pairs);
            choice.decisions(&shown(&choice, values)).unwrap_err()
        };
        assert_eq!(fault(&[("pick", "1"), ("bulk", "none")], &values), Fault::NoTarget);
        assert_eq!(fault(&[("bulk", "smb")], &values), Fault::NoTicks);
        assert_eq!(fault(&[], &values), Fault::Nothing);
        let many: Vec<_> = (0..1_001).map(|at| value(&at.to_string(), &format!("v{at}"), Target::Open)).collect();
        assert_eq!(fault(&[("all", "1"), ("bulk", "-")], &many), Fault::TooMany);
    }
}

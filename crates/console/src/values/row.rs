//! One value: what is known of it, what it becomes, what it could become.

use contract::mapper::v1::{FieldOption, ValueDecision, ValueMapping};
use jiff::Timestamp;

use super::choice::{Choice, Target};
use crate::moment::Moment;
use crate::words::{count, money, record};

/// With more options than this a row offers only some of them: the whole list stands once, above the table.
const OPTIONS_PER_ROW: usize = 24;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) value: String,
    /// Empty when it is the value itself.
    pub(super) label: String,
    pub(super) origin: String,
    pub(super) records: String,
    pub(super) customers: String,
    pub(super) arr: String,
    pub(super) first: Option<Moment>,
    pub(super) last: Option<Moment>,
    pub(super) is_inactive: bool,
    pub(super) is_never_used: bool,
    pub(super) is_open: bool,
    pub(super) was: String,
    pub(super) choices: Vec<Offer>,
    /// What is saved, when something else is chosen and not saved yet.
    pub(super) saved: String,
    pub(super) is_ticked: bool,
    /// Name of the option that is called the same; empty when none is.
    pub(super) namesake: String,
}

/// An entry of a row's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

/// Whether an open value is called like an option.
pub(super) fn is_namesake(value: &ValueMapping) -> bool {
    value.decision() == ValueDecision::Open && !value.suggested_option.is_empty()
}

/// Returns what people call what a value becomes.
pub(super) fn name_of(target: &Target, options: &[FieldOption]) -> String {
    match target {
        Target::Open => "Open: no decision".to_owned(),
        Target::Ignore => "Ignore: leave Lane’s value".to_owned(),
        Target::Option(key) => options
            .iter()
            .find(|option| option.key == *key)
            .map_or_else(|| key.clone(), |option| option.display_name.clone()),
    }
}

/// Builds the row of a value, with what was chosen for it and not saved yet.
pub(super) fn row(value: &ValueMapping, options: &[FieldOption], choice: Option<&Choice>, now: Timestamp) -> Row {
    let was = Target::of(value);
    let chosen = choice.and_then(|choice| choice.row(value)).unwrap_or_else(|| was.clone());
    let offers = |option: &&FieldOption| {
        let is_near = [&was, &chosen].iter().any(|target| target.token() == option.key);
        options.len() <= OPTIONS_PER_ROW || is_near || value.suggested_option == option.key
    };
    let targets = [Target::Open, Target::Ignore].into_iter();
    let targets = targets.chain(options.iter().filter(offers).map(|option| Target::Option(option.key.clone())));
    let origins: Vec<_> = value.origins().map(record).collect();
    let records = match (value.record_count, value.lead_record_count) {
        (all, 0) => count(all, "record", "records"),
        (all, leads) => format!("{}, of these {}", count(all, "record", "records"), count(leads, "lead", "leads")),
    };
    Row {
        id: value.id.clone(),
        value: value.value.clone(),
        label: if value.label == value.value { String::new() } else { value.label.clone() },
        origin: origins.join(" and "),
        records,
        customers: count(value.customer_count, "customer", "customers"),
        arr: value.arr.iter().map(money).collect::<Vec<_>>().join(" + "),
        first: Moment::of(value.first_seen_time.as_ref(), now),
        last: Moment::of(value.last_seen_time.as_ref(), now),
        is_inactive: !value.active,
        is_never_used: value.never_used,
        is_open: was == Target::Open,
        choices: targets
            .map(|target| Offer {
                token: target.token().to_owned(),
                name: name_of(&target, options),
                is_chosen: target == chosen,
            })
            .collect(),
        saved: if chosen == was { String::new() } else { name_of(&was, options) },
        was: was.token().to_owned(),
        is_ticked: choice.is_some_and(|choice| choice.is_ticked(value)),
        namesake: if is_namesake(value) {
            name_of(&Target::Option(value.suggested_option.clone()), options)
        } else {
            String::new()
        },
    }
}

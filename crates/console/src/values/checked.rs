//! What a save would do, in exact numbers.

use contract::common::v1::value::Value as Kind;
use contract::common::v1::{SalesforceObject, Value};
use contract::mapper::v1::{FieldOption, MappingPreview};

use super::Group;
use super::choice::Target;
use super::row::name_of;
use crate::words::{count, number, record};

/// What a save would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) text: String,
    pub(super) samples: Vec<String>,
}

/// Tells what a save would do.
pub(super) fn checked(group: Group, decided: usize, preview: &MappingPreview, options: &[FieldOption]) -> Checked {
    let text = |value: &Option<Value>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Kind::Option(key)) => name_of(&Target::Option(key.clone()), options),
        _ => "empty".to_owned(),
    };
    let samples = preview.samples.iter().take(5).map(|sample| {
        let object = SalesforceObject::try_from(sample.object).unwrap_or_default();
        format!("{} {}: {} → {}", record(object), sample.id, text(&sample.before), text(&sample.after))
    });
    let carry = format!(
        "{} {}",
        number(preview.touched),
        match (preview.touched, group) {
            (1, Group::Accounts) => "stored account carries",
            (_, Group::Accounts) => "stored accounts carry",
            (1, Group::People) => "stored contact or lead carries",
            (_, Group::People) => "stored contacts and leads carry",
        }
    );
    Checked {
        text: format!(
            "Nothing is saved yet. {} would be decided; {carry} {}. {} would change, with no Salesforce call.",
            count(i64::try_from(decided).unwrap_or(i64::MAX), "value", "values"),
            if decided == 1 { "it" } else { "them" },
            group.in_lane(preview.changed),
        ),
        samples: samples.collect(),
    }
}

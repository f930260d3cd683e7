//! Why records are parked, in the words of people: one table for all codes that a service of ours gives.

use crate::writer::v1::Fixer;

/// What a person is told about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is wrong.
    pub title: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Who can do it.
    pub fixer: Fixer,
}

macro_rules! advices {
    ($($code:literal = $fixer:ident, $title:literal, $remedy:literal;)*) => {
        /// All codes that have words of their own.
        pub const CODES: &[&str] = &[$($code,)*];

        fn known(code: &str) -> Option<Advice> {
            match code {
                $($code => Some(Advice { title: $title, remedy: $remedy, fixer: Fixer::$fixer }),)*
                _ => None,
            }
        }
    };
}

advices! {
    "name_missing" = SalesforceUser, "The record has no name",
        "Give the record a name in Salesforce; it comes by itself with the next check.";
    "number_out_of_range" = SalesforceUser, "A number is too large",
        "Correct the number in Salesforce: Lane keeps at most 18 digits before the point.";
    "text_too_long" = SalesforceUser, "A text is too long",
        "Shorten the text in Salesforce, or map another field.";
    "text_invalid" = SalesforceUser, "A text holds characters that can't be kept",
        "Remove the unreadable character in Salesforce.";
    "date_invalid" = SalesforceUser, "A date does not exist",
        "Correct the date in Salesforce.";
    "currency_unknown" = SalesforceAdmin, "An amount has no currency that we know",
        "Give the record or the org a three-letter currency code in Salesforce.";
    "field_missing" = SalesforceAdmin, "Salesforce left a field out",
        "Let the integration user read the field, then retry these records.";
    "type_mismatch" = WorkspaceAdmin, "A value has another type than the Lane field takes",
        "Map a field of a type that fits; the mapping page shows which do.";
    "image_invalid" = Support, "The stored record can't be read", "Retry these records; if they come back, tell support.";
    "too_deep" = Support, "The record is nested too deeply", "Tell support.";
    "id_invalid" = Support, "The record has no usable id", "Tell support: Salesforce sent an id that is none.";
    "modstamp_invalid" = Support, "The record has no usable time of change", "Retry these records; if they come back, tell support.";
    "record_too_large" = WorkspaceAdmin, "The mapped record is too large", "Unmap long text fields that Lane does not need.";
    "store_refused" = Support, "The source store refused the record", "Tell support.";
    "page_invalid" = Support, "An answer of Salesforce could not be read", "Retry; if it comes back, tell support.";
    "message_invalid" = Support, "A message between our services could not be read", "Retry; if it comes back, tell support.";
    "mapper_failed" = Support, "The mapper failed over the record", "Retry; if it comes back, tell support.";
    "panicked" = Support, "A program of ours failed over the record", "Tell support.";
    "constraint_violated" = Support, "Lane's database refused the record", "Tell support.";
    "write_refused" = Support, "Lane's database refused the record", "Tell support.";
}

/// Returns what to tell about a code; one that nobody knows is ours to look at.
#[must_use]
pub fn advice(code: &str) -> Advice {
    known(code).unwrap_or(Advice {
        title: "The record could not be taken over",
        remedy: "Retry these records; if they come back, tell support the reason code.",
        fixer: Fixer::Support,
    })
}

//! What people are told about what can't be read: the permission to give, and what is lost without it.

use contract::extractor::v1::FieldUse;
use domain::Object;
use domain::catalogue::standard_fields;

/// Names the permission that lets the integration user query an object.
pub(super) fn object_permission(object: Object) -> String {
    let name = object.api_name();
    format!(
        "Give the integration user a permission set with the object permissions Read and View All Records on {name}."
    )
}

/// Names the permission that lets the integration user read a field.
pub(super) fn field_permission(object: Object, path: &str) -> String {
    let owner = object.api_name();
    match path.split_once('.') {
        Some((relation, field)) => format!(
            "Give the integration user Read on the object behind {owner}.{relation} and, in its field-level security, Read on {field}."
        ),
        None => format!(
            "Give the integration user Read in the field-level security of {owner}.{path}, or check that the field exists."
        ),
    }
}

/// Says what is lost without an object.
pub(super) fn without_object(object: Object) -> &'static str {
    match object {
        Object::Account => "No customers come from Salesforce.",
        Object::Contact => {
            "No people come from Salesforce contacts; converted leads lose the contact that continues them."
        }
        Object::Lead => "No people come from Salesforce leads.",
    }
}

/// Says what is lost without a field.
pub(super) fn without_field(object: Object, usage: FieldUse, path: &str, lane_field: &str) -> String {
    let shown = standard_fields(object.kind())
        .iter()
        .find(|field| field.id == lane_field)
        .map_or(lane_field, |field| field.display_name);
    match usage {
        FieldUse::Link if path == "AccountId" => {
            "Contacts stand alone: they are not linked to their customers.".to_owned()
        }
        FieldUse::Link => "A lead that is converted is not joined with the contact that continues it.".to_owned(),
        FieldUse::Mapped => {
            format!("{shown} gets nothing new: the values that Lane has stay as they are, and the object may pause.")
        }
        FieldUse::Suggested | FieldUse::Standard | FieldUse::Unspecified => {
            format!("{shown} can't be fed from {}.{path}.", object.api_name())
        }
    }
}

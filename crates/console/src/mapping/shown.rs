//! Types and values of both sides, as people read them.

use contract::common::v1::value::Value as Wire;
use contract::common::v1::{FieldType, Value};
use contract::mapper::v1::LaneField;

/// Returns what people call the type of a Lane field.
pub(super) fn lane_type(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Text => "Text",
        FieldType::Url => "Web address",
        FieldType::Number => "Number",
        FieldType::Money => "Money",
        FieldType::Option => "Option",
        FieldType::Date => "Date",
        FieldType::Boolean => "Yes or no",
        FieldType::Unspecified => "Unknown",
    }
}

/// Returns what Salesforce's own pages call a type that describe names.
pub(super) fn salesforce_type(name: &str) -> &str {
    match name {
        "string" => "Text",
        "textarea" => "Text area",
        "boolean" => "Checkbox",
        "int" | "long" | "double" => "Number",
        "currency" => "Currency",
        "percent" => "Percent",
        "date" => "Date",
        "datetime" => "Date/Time",
        "time" => "Time",
        "picklist" => "Picklist",
        "multipicklist" => "Multi-select picklist",
        "combobox" => "Combo box",
        "reference" => "Lookup",
        "phone" => "Phone",
        "email" => "Email",
        "url" => "URL",
        "address" => "Address",
        "location" => "Geolocation",
        "encryptedstring" => "Encrypted text",
        "id" => "Record ID",
        "base64" => "File",
        other => other,
    }
}

/// Returns a value as people read it; "empty" for none. Options go by their names.
pub(super) fn value(value: Option<&Value>, field: Option<&LaneField>) -> String {
    let Some(value) = value.and_then(|value| value.value.as_ref()) else { return "empty".to_owned() };
    match value {
        Wire::Text(text) | Wire::Number(text) | Wire::Date(text) => text.clone(),
        Wire::Money(money) => format!("{} {}", money.amount, money.currency_code),
        Wire::Boolean(true) => "yes".to_owned(),
        Wire::Boolean(false) => "no".to_owned(),
        Wire::Option(key) => {
            let option = field.and_then(|field| field.options.iter().find(|option| option.key == *key));
            option.map_or_else(|| key.clone(), |option| option.display_name.clone())
        }
    }
}

/// Returns a field of a kind.
pub(super) fn field<'f>(fields: &'f [LaneField], id: &str) -> Option<&'f LaneField> {
    fields.iter().find(|field| field.id == id)
}

/// Returns the name of a Lane field; the id where Lane has no such field.
pub(super) fn name<'f>(fields: &'f [LaneField], id: &'f str) -> &'f str {
    field(fields, id).map_or(id, |field| field.display_name.as_str())
}

#[cfg(test)]
mod tests {
    use contract::common::v1::Money;
    use contract::mapper::v1::FieldOption;

    use super::*;

    #[test]
    fn options_go_by_name_and_money_with_its_currency() {
        let option = FieldOption { key: "smb".into(), display_name: "Small".into() };
        let tier = LaneField { id: "tier".into(), options: vec![option], ..Default::default() };
        let of = |wire: Wire| value(Some(&Value { value: Some(wire) }), Some(&tier));
        assert_eq!(of(Wire::Option("smb".into())), "Small");
        assert_eq!(of(Wire::Option("gone".into())), "gone");
        assert_eq!(of(Wire::Money(Money { amount: "12.5".into(), currency_code: "EUR".into() })), "12.5 EUR");
        assert_eq!(value(None, None), "empty");
    }
}

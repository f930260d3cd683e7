//! Values of fields: as people read them, and as they type them.

use contract::common::v1::{FieldType, Value as WireValue, value::Value as Wire};
use contract::mapper::v1::FieldOption;
use domain::{Money, Value};
use sha2::{Digest as _, Sha256};

use crate::words::decimal;

/// Returns a value in words; empty when there is none.
pub(super) fn shown(value: Option<&WireValue>, options: &[FieldOption]) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Wire::Text(text) | Wire::Date(text)) => text.clone(),
        Some(Wire::Number(number)) => decimal(number),
        Some(Wire::Money(money)) => format!("{} {}", decimal(&money.amount), money.currency_code),
        Some(Wire::Option(key)) => {
            let option = options.iter().find(|option| option.key == *key);
            option.map_or(key, |option| &option.display_name).clone()
        }
        Some(Wire::Boolean(true)) => "Yes".to_owned(),
        Some(Wire::Boolean(false)) => "No".to_owned(),
    }
}

/// Returns what a record of Salesforce holds, as people read it: the store keeps a JSON scalar.
pub(super) fn raw(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        _ => json.to_owned(),
    }
}

/// What stands in the controls of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) text: String,
    /// For money only.
    pub(super) currency: String,
}

impl Typed {
    /// Returns what the controls show for a value.
    pub(super) fn of(value: Option<&WireValue>) -> Self {
        let text = |text: &str| Self { text: lines(text), currency: String::new() };
        match value.and_then(|value| value.value.as_ref()) {
            None => Self::default(),
            Some(Wire::Text(it) | Wire::Number(it) | Wire::Option(it) | Wire::Date(it)) => text(it),
            Some(Wire::Money(money)) => Self { text: money.amount.clone(), currency: money.currency_code.clone() },
            Some(Wire::Boolean(yes)) => text(if *yes { "true" } else { "false" }),
        }
    }

    /// Returns what a form sent.
    pub(super) fn sent(text: &str, currency: &str) -> Self {
        Self { text: lines(text), currency: currency.trim().to_uppercase() }
    }

    /// Returns a short mark of the content: it tells whether somebody touched a control, without sending the value twice.
    pub(super) fn mark(&self) -> String {
        let digest = Sha256::digest(format!("{}\0{}", self.text, self.currency));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the value of a field of this type; `None` when the field is to be empty.
    ///
    /// # Errors
    /// The sentence that the form shows at the field.
    pub(super) fn read(&self, field_type: FieldType) -> Result<Option<WireValue>, &'static str> {
        let text = self.text.trim();
        if text.is_empty() {
            return if field_type == FieldType::Money && !self.currency.is_empty() && self.currency.len() != 3 {
                Err("Enter an amount, or clear the currency too.")
            } else {
                Ok(None)
            };
        }
        let value = match field_type {
            FieldType::Text | FieldType::Url | FieldType::Unspecified => Value::Text(text.to_owned()),
            FieldType::Option => Value::Option(text.to_owned()),
            FieldType::Number => {
                plain(text).parse().map(Value::Number).map_err(|_| "Enter a number such as 1250 or 12.5.")?
            }
            FieldType::Money => Value::Money(Money {
                amount: plain(text).parse().map_err(|_| "Enter an amount such as 1250000 or 1250000.50.")?,
                currency: self.currency.parse().map_err(|_| "Enter a currency of three letters, such as EUR.")?,
            }),
            FieldType::Date => text.parse().map(Value::Date).map_err(|_| "Enter a date such as 2026-06-30.")?,
            FieldType::Boolean => text.parse().map(Value::Boolean).map_err(|_| "Choose Yes or No.")?,
        };
        Ok(Some(WireValue::from(&value)))
    }
}

/// Browsers send CR LF for every line break of a form.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Takes the separators out of a number as these pages write it, "1,250,000.50"; leaves "1,5" for the refusal that it earns.
fn plain(text: &str) -> String {
    let without: String = text.chars().filter(|letter| *letter != ',').collect();
    if decimal(&without) == text { without } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(field_type: FieldType, text: &str, currency: &str) -> String {
        let options = [FieldOption { key: "smb".into(), display_name: "SMB".into() }];
        shown(Typed::sent(text, currency).read(field_type).unwrap().as_ref(), &options)
    }

    #[test]
    fn what_is_typed_comes_back_in_words() {
        assert_eq!(back(FieldType::Money, "1250000.50", "eur"), "1,250,000.50 EUR");
        assert_eq!(back(FieldType::Money, "1,250,000", "USD"), "1,250,000 USD");
        assert_eq!(back(FieldType::Number, " 12.5 ", ""), "12.5");
        assert_eq!(back(FieldType::Option, "smb", ""), "SMB");
        assert_eq!(back(FieldType::Option, "gone", ""), "gone");
        assert_eq!(back(FieldType::Boolean, "true", ""), "Yes");
        assert_eq!(back(FieldType::Date, "2026-06-30", ""), "2026-06-30");
        assert_eq!(back(FieldType::Text, "  \r\n ", ""), "");
    }

    #[test]
    fn what_does_not_fit_is_told_at_the_field() {
        for (field_type, text, currency) in [
            (FieldType::Money, "1,5", "EUR"),
            (FieldType::Money, "1200", ""),
            (FieldType::Money, "1200", "€"),
            (FieldType::Number, "many", ""),
            (FieldType::Date, "30.6.2026", ""),
            (FieldType::Boolean, "yes", ""),
        ] {
            assert!(Typed::sent(text, currency).read(field_type).is_err(), "{text} {currency}");
        }
    }

    #[test]
    fn a_form_that_comes_as_it_went_is_known_by_its_mark() {
        let value = WireValue { value: Some(Wire::Text("one\r\ntwo\n".into())) };
        let went = Typed::of(Some(&value));
        assert_eq!(went.mark(), Typed::sent("one\r\ntwo\r\n", "").mark());
        assert_ne!(went.mark(), Typed::sent("one\r\ntwo", "").mark());
        assert_ne!(Typed::sent("1", "EUR").mark(), Typed::sent("1", "USD").mark());
    }

    #[test]
    fn a_raw_value_loses_its_quotes_only() {
        assert_eq!(raw(r#""Gold \"1\"""#), "Gold \"1\"");
        assert_eq!(raw("12.50"), "12.50");
    }
}

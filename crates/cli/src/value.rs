//! Values of Lane fields, as answers show them and as command lines write them.

use contract::common::v1::Value as WireValue;
use contract::common::v1::value::Value as Wire;
use domain::{FieldType, Money as DomainMoney, Value};
use serde::Serialize;

use crate::wire::Money;

/// A value as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Shown {
    /// Text, number (exact), option key or date.
    Text(String),
    /// An exact amount.
    Money(Money),
    /// True or false.
    Boolean(bool),
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Money(money) => money.fmt(f),
            Self::Boolean(boolean) => boolean.fmt(f),
        }
    }
}

/// Reads a value with the word for its type.
pub(crate) fn shown(value: Option<WireValue>) -> Option<(FieldType, Shown)> {
    Some(match value?.value? {
        Wire::Text(text) => (FieldType::Text, Shown::Text(text)),
        Wire::Number(number) => (FieldType::Number, Shown::Text(number)),
        Wire::Money(money) => (FieldType::Money, Shown::Money(money.into())),
        Wire::Option(key) => (FieldType::Option, Shown::Text(key)),
        Wire::Date(date) => (FieldType::Date, Shown::Text(date)),
        Wire::Boolean(boolean) => (FieldType::Boolean, Shown::Boolean(boolean)),
    })
}

/// Reads what a command line gives a field of this type.
///
/// # Errors
/// A sentence part that says what would be right.
pub(crate) fn parse(field_type: FieldType, text: &str) -> Result<WireValue, &'static str> {
    let value = match field_type {
        FieldType::Text | FieldType::Url => Value::Text(text.to_owned()),
        FieldType::Option => Value::Option(text.to_owned()),
        FieldType::Number => {
            text.parse().map(Value::Number).map_err(|_| "is a decimal number without exponent, e.g. 12.5")?
        }
        FieldType::Date => text.parse().map(Value::Date).map_err(|_| "is a date, e.g. 2024-01-31")?,
        FieldType::Boolean => text.parse().map(Value::Boolean).map_err(|_| "is true or false")?,
        FieldType::Money => money(text).ok_or("is an amount with its currency, e.g. '1200.50 EUR'")?,
    };
    Ok(WireValue::from(&value))
}

fn money(text: &str) -> Option<Value> {
    let split = text.len().checked_sub(3).filter(|split| text.is_char_boundary(*split))?;
    let (amount, currency) = text.split_at(split);
    Some(Value::Money(DomainMoney { amount: amount.trim_end().parse().ok()?, currency: currency.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(field_type: FieldType, text: &str) -> Option<(FieldType, String)> {
        let (kind, value) = shown(parse(field_type, text).ok())?;
        Some((kind, serde_json::to_string(&value).unwrap()))
    }

    #[test]
    fn what_a_command_line_writes_is_what_an_answer_shows() {
        assert_eq!(round(FieldType::Text, "Ä=1"), Some((FieldType::Text, r#""Ä=1""#.into())));
        assert_eq!(round(FieldType::Number, "0.10"), Some((FieldType::Number, r#""0.10""#.into())));
        assert_eq!(round(FieldType::Boolean, "true"), Some((FieldType::Boolean, "true".into())));
        assert_eq!(round(FieldType::Date, "1899-12-31"), Some((FieldType::Date, r#""1899-12-31""#.into())));
        let money = r#"{"amount":"1200.50","currency":"EUR"}"#;
        assert_eq!(round(FieldType::Money, "1200.50 EUR"), Some((FieldType::Money, money.into())));
        assert_eq!(round(FieldType::Money, "1200.50EUR"), Some((FieldType::Money, money.into())));
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        let wrong = [
            (FieldType::Money, "1200.50"),
            (FieldType::Money, "EUR"),
            (FieldType::Money, "1 €"),
            (FieldType::Number, "many"),
            (FieldType::Date, "31.1.2024"),
            (FieldType::Boolean, "yes"),
        ];
        for (field_type, text) in wrong {
            assert!(parse(field_type, text).is_err(), "{text}");
        }
    }
}

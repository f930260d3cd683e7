//! One scalar of an image to one value of a Lane field.

use std::borrow::Cow;

use domain::{FieldType, Value};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use crate::decimal;
use crate::fault::FaultCode;

/// Salesforce's longest text field.
pub(crate) const MAX_TEXT_CHARS: usize = 131_072;
/// Salesforce's longest picklist value.
pub(crate) const MAX_OPTION_CHARS: usize = 255;

/// A scalar of an image. Text is byte-exact; a number keeps its written form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
}

/// Reads a member as a scalar. Empty text is null: Salesforce never tells them apart.
pub(crate) fn scalar(raw: &RawValue) -> Result<Scalar<'_>, FaultCode> {
    let written = raw.get();
    match written.as_bytes().first() {
        Some(b'"') => match text(written)? {
            empty if empty.is_empty() => Ok(Scalar::Null),
            text => Ok(Scalar::Text(text)),
        },
        Some(b'n') => Ok(Scalar::Null),
        Some(b't') => Ok(Scalar::Boolean(true)),
        Some(b'f') => Ok(Scalar::Boolean(false)),
        Some(b'-' | b'0'..=b'9') => Ok(Scalar::Number(written)),
        _ => Err(FaultCode::TypeMismatch),
    }
}

fn text(written: &str) -> Result<Cow<'_, str>, FaultCode> {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    // Only half a surrogate pair can fail here: the image was already read as JSON.
    let unescaped: String = serde_json::from_str(written).map_err(|_| FaultCode::TextInvalid)?;
    if unescaped.contains('\0') { Err(FaultCode::TextInvalid) } else { Ok(Cow::Owned(unescaped)) }
}

fn is_longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

/// Converts a scalar to the type of a Lane field; null is `None`. Money and options have ways of their own.
pub(crate) fn value(scalar: Scalar<'_>, target: FieldType) -> Result<Option<Value>, FaultCode> {
    let value = match (target, scalar) {
        (_, Scalar::Null) => return Ok(None),
        (FieldType::Text | FieldType::Url, Scalar::Text(text)) => {
            if is_longer_than(&text, MAX_TEXT_CHARS) {
                return Err(FaultCode::TextTooLong);
            }
            Value::Text(text.into_owned())
        }
        (FieldType::Text, Scalar::Boolean(boolean)) => Value::Text(boolean.to_string()),
        (FieldType::Text, Scalar::Number(written)) => Value::Text(decimal::parse(written)?.to_string()),
        (FieldType::Number, Scalar::Number(written)) => Value::Number(decimal::parse(written)?),
        (FieldType::Date, Scalar::Text(text)) => Value::Date(date(&text)?),
        (FieldType::Boolean, Scalar::Boolean(boolean)) => Value::Boolean(boolean),
        _ => return Err(FaultCode::TypeMismatch),
    };
    Ok(Some(value))
}

/// Reads the raw value of an option field; null is `None`. Matching is byte-exact, so nothing is trimmed.
pub(crate) fn option_text(scalar: Scalar<'_>) -> Result<Option<Cow<'_, str>>, FaultCode> {
    match scalar {
        Scalar::Null => Ok(None),
        Scalar::Boolean(boolean) => Ok(Some(Cow::Borrowed(if boolean { "true" } else { "false" }))),
        Scalar::Text(text) => Ok(Some(text)),
        Scalar::Number(_) => Err(FaultCode::TypeMismatch),
    }
}

/// Whether one raw value of an option field is longer than Salesforce allows.
pub(crate) fn is_option_too_long(text: &str) -> bool {
    is_longer_than(text, MAX_OPTION_CHARS)
}

/// Reads "2026-08-02", or the day in UTC of "2026-08-02T10:11:12.000+0000" and its kin.
fn date(text: &str) -> Result<Date, FaultCode> {
    let bytes = text.as_bytes();
    let looks_like_a_date = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    if !looks_like_a_date {
        return Err(FaultCode::DateInvalid);
    }
    if text.len() == 10 {
        return text.parse().map_err(|_| FaultCode::DateInvalid);
    }
    if bytes.get(10) != Some(&b'T') {
        return Err(FaultCode::DateInvalid);
    }
    let moment: Timestamp = text.parse().map_err(|_| FaultCode::DateInvalid)?;
    Ok(TimeZone::UTC.to_datetime(moment).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(json: &str, target: FieldType) -> Result<Option<Value>, FaultCode> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        value(scalar(&raw)?, target)
    }

    fn day(text: &str) -> Result<Option<Value>, FaultCode> {
        Ok(Some(Value::Date(text.parse().unwrap())))
    }

    #[test]
    fn dates_come_from_all_forms_that_salesforce_writes() {
        for (json, expected) in [
            (r#""1899-12-31""#, "1899-12-31"),
            (r#""2024-02-29""#, "2024-02-29"),
            (r#""2026-08-02T10:11:12.000+0000""#, "2026-08-02"),
            (r#""1700-01-01T00:00:00.000+0000""#, "1700-01-01"),
            (r#""1969-12-31T23:59:59.000+0000""#, "1969-12-31"),
            (r#""4000-12-31T00:00:00.000+0000""#, "4000-12-31"),
            (r#""2026-08-02T10:11:12Z""#, "2026-08-02"),
            (r#""2026-08-02T03:00:00.000+14:00""#, "2026-08-01"),
        ] {
            assert_eq!(convert(json, FieldType::Date), day(expected), "{json}");
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_faults() {
        for json in [
            r#""2026-02-29""#,
            r#""2026-13-01""#,
            r#""2026-08-02T24:00:00.000+0000""#,
            r#""2026-08-02T10:11:12""#,
            r#""20260802""#,
            r#""yesterday""#,
            r#""2026-08-02 10:11""#,
            r#""ää-ää-ääöö""#,
        ] {
            assert_eq!(convert(json, FieldType::Date), Err(FaultCode::DateInvalid), "{json}");
        }
    }

    #[test]
    fn text_is_kept_byte_for_byte() {
        let nasty = ["🦾a", "\u{202e}abc", "</script>", "tab\tand\nline", " spaces ", "e\u{301}", "."];
        for text in nasty {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(convert(&json, FieldType::Text), Ok(Some(Value::Text(text.into()))), "{json}");
        }
        assert_eq!(convert(r#""\ud83e\uddbe""#, FieldType::Text), Ok(Some(Value::Text("🦾".into()))));
    }

    #[test]
    fn text_that_no_table_can_hold_is_a_fault() {
        assert_eq!(convert(r#""a\u0000b""#, FieldType::Text), Err(FaultCode::TextInvalid));
        assert_eq!(convert(r#""a\ud83eb""#, FieldType::Text), Err(FaultCode::TextInvalid));
        let longest = "ä".repeat(MAX_TEXT_CHARS);
        assert!(convert(&format!("\"{longest}\""), FieldType::Text).is_ok());
        assert_eq!(convert(&format!("\"{longest}a\""), FieldType::Text), Err(FaultCode::TextTooLong));
    }

    #[test]
    fn empty_is_null_and_null_is_not_zero() {
        for json in ["null", r#""""#] {
            for target in [FieldType::Text, FieldType::Url, FieldType::Number, FieldType::Date, FieldType::Boolean] {
                assert_eq!(convert(json, target), Ok(None));
            }
        }
        assert_eq!(convert("0", FieldType::Number), Ok(Some(Value::Number(0.into()))));
    }

    #[test]
    fn a_value_of_another_type_is_a_fault_and_never_a_guess() {
        for (json, target) in [
            (r#""12""#, FieldType::Number),
            ("true", FieldType::Number),
            ("{}", FieldType::Text),
            ("[1]", FieldType::Text),
            (r#""true""#, FieldType::Boolean),
            ("1", FieldType::Boolean),
            ("20260802", FieldType::Date),
            ("1", FieldType::Url),
        ] {
            assert_eq!(convert(json, target), Err(FaultCode::TypeMismatch), "{json} {target:?}");
        }
        assert_eq!(convert("500000.0", FieldType::Text), Ok(Some(Value::Text("500000".into()))));
        assert_eq!(convert("false", FieldType::Text), Ok(Some(Value::Text("false".into()))));
    }
}

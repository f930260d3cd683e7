//! One cell of a record, and the forms in which Salesforce shows it.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::id::Id;
use crate::moment::{date_text, datetime_text, parse_date, parse_datetime};

/// A stored value. Moments are milliseconds, dates are days, both since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    Id(Id),
    DateTime(i64),
    Date(i64),
}

/// Short for [`Value::text`], where a list of cells is written down.
pub(crate) fn text(text: impl AsRef<str>) -> Value {
    Value::text(text)
}

/// What an empty column answers.
pub(crate) static NULL: Value = Value::Null;

impl Value {
    /// A text cell; the empty string is stored as null, as Salesforce does.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        match text.as_ref() {
            "" => Self::Null,
            text => Self::Text(Arc::from(text)),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn as_id(&self) -> Option<Id> {
        match self {
            Self::Id(id) => Some(*id),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_moment(&self) -> Option<i64> {
        match self {
            Self::DateTime(at) => Some(*at),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The value as a JSON value, for the places where speed does not matter.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut text = Vec::new();
        self.write_json(&mut text);
        serde_json::from_slice(&text).expect("a rendered cell is JSON")
    }

    /// Writes the REST form: JSON text.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Double(number) => out.extend_from_slice(java_double(*number).as_bytes()),
            Self::Text(text) => write_json_text(text, out),
            Self::Id(id) => quoted(&id.long_bytes(), out),
            Self::DateTime(at) => quoted(datetime_text(*at).as_bytes(), out),
            Self::Date(day) => quoted(date_text(*day).as_bytes(), out),
        }
    }

    /// Writes the Bulk form: one CSV cell, always quoted, null as the empty cell.
    pub(crate) fn write_csv(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        match self {
            Self::Null => {}
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Double(number) => out.extend_from_slice(java_double(*number).as_bytes()),
            Self::Text(text) => {
                for &byte in text.as_bytes() {
                    if byte == b'"' {
                        out.push(b'"');
                    }
                    out.push(byte);
                }
            }
            Self::Id(id) => out.extend_from_slice(&id.long_bytes()),
            Self::DateTime(at) => out.extend_from_slice(datetime_text(*at).as_bytes()),
            Self::Date(day) => out.extend_from_slice(date_text(*day).as_bytes()),
        }
        out.push(b'"');
    }

    /// Orders two values of one column; text without regard to case. `None` where a side is null.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Null, _) | (_, Self::Null) => return None,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Int(a), Self::Double(b)) => (*a as f64).total_cmp(b),
            (Self::Double(a), Self::Int(b)) => a.total_cmp(&(*b as f64)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b)?,
            (Self::Id(a), Self::Id(b)) => a.cmp(b),
            (Self::DateTime(a), Self::DateTime(b)) | (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => compare_text(a, b),
            _ => return None,
        })
    }
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    if a == b { Ordering::Equal } else { folded(a).cmp(&folded(b)) }
}

fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// Writes `text` as a JSON string; everything but the two reserved characters and control
/// characters goes out as it is.
pub(crate) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut clean_from = 0;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean_from..at]);
        clean_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[clean_from..]);
    out.push(b'"');
}

/// A double as Java prints it: `1250000.0`, from ten million on `9.0E7`.
pub(crate) fn java_double(number: f64) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let size = number.abs();
    if (1e-3..1e7).contains(&size) {
        let text = number.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').expect("the e form has an exponent");
    let fraction = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{fraction}E{exponent}")
}

/// A double as a plain decimal: no exponent, no trailing zeros. The digits are those on the wire.
pub(crate) fn plain_decimal(number: f64) -> String {
    let text = format!("{number}");
    if text == "-0" { "0".to_owned() } else { text }
}

/// Reads a JSON value given by a control call or a REST write into the cell of a column.
pub(crate) fn from_json(kind: crate::schema::Kind, json: &serde_json::Value) -> Option<Value> {
    use crate::schema::Kind;
    use serde_json::Value as Json;
    Some(match (kind, json) {
        (_, Json::Null) => Value::Null,
        (Kind::Boolean, Json::Bool(flag)) => Value::Bool(*flag),
        (Kind::Int, Json::Number(number)) => Value::Int(number.as_i64()?),
        (Kind::Double | Kind::Currency | Kind::Percent, Json::Number(number)) => Value::Double(number.as_f64()?),
        (Kind::Int | Kind::Double | Kind::Currency | Kind::Percent, Json::String(text)) if text.is_empty() => {
            Value::Null
        }
        (Kind::Int, Json::String(text)) => Value::Int(text.parse().ok()?),
        (Kind::Double | Kind::Currency | Kind::Percent, Json::String(text)) => Value::Double(text.parse().ok()?),
        (Kind::Id | Kind::Reference, Json::String(text)) if text.is_empty() => Value::Null,
        (Kind::Id | Kind::Reference, Json::String(text)) => Value::Id(text.parse().ok()?),
        (Kind::Date, Json::String(text)) => Value::Date(parse_date(text)?),
        (Kind::DateTime, Json::String(text)) => Value::DateTime(parse_datetime(text)?),
        (kind, Json::String(text)) if kind.is_text() => Value::text(text),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_look_as_java_prints_them() {
        for (number, text) in [
            (1_250_000.0, "1250000.0"),
            (90_000_000.0, "9.0E7"),
            (99_213_206.0, "9.9213206E7"),
            (16_147_805_824_397.0, "1.6147805824397E13"),
            (-1.0, "-1.0"),
            (0.0, "0.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1e15, "1.0E15"),
            (123_456_789_012_345_678.0, "1.2345678901234568E17"),
        ] {
            assert_eq!(java_double(number), text);
            assert_eq!(text.parse::<f64>().unwrap(), number);
        }
    }

    #[test]
    fn json_text_keeps_every_character() {
        for text in ["a\"b\\c", "\u{1}\t\r\n", "🦾 \u{202e}abc", "</script>", "Ä\u{0308}"] {
            let mut out = Vec::new();
            write_json_text(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}

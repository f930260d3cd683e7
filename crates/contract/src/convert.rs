//! Wire to domain and back. What does not fit is refused with the name of the field.

use domain::{CurrencyCode, FieldType, Kind, Money, Object, Plan, RunId, SalesforceId, Value, WorkspaceId};
use jiff::Timestamp;
use prost_types::Timestamp as WireTimestamp;

use crate::common::v1 as wire;
use crate::error::{Failure, Reason, Violation};

/// A field of a message that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidField {
    /// Name of the field.
    pub field: &'static str,
    /// What is wrong; never the value.
    pub problem: &'static str,
}

impl From<InvalidField> for tonic::Status {
    fn from(invalid: InvalidField) -> Self {
        let violation = Violation { field: invalid.field.to_owned(), description: invalid.problem.to_owned() };
        Failure::new(Reason::ArgumentInvalid, format!("{invalid}.")).with_violations([violation]).into()
    }
}

/// Reads a workspace id.
///
/// # Errors
/// When it is not a UUID.
pub fn workspace_id(text: &str) -> Result<WorkspaceId, InvalidField> {
    text.parse().map_err(|_| InvalidField { field: "workspace_id", problem: "is not a UUID" })
}

/// Reads a run id.
///
/// # Errors
/// When it is not a UUID.
pub fn run_id(text: &str) -> Result<RunId, InvalidField> {
    text.parse().map_err(|_| InvalidField { field: "run_id", problem: "is not a UUID" })
}

/// Reads a Salesforce id.
///
/// # Errors
/// When it has neither 15 nor 18 characters, or a wrong check suffix.
pub fn salesforce_id(field: &'static str, text: &str) -> Result<SalesforceId, InvalidField> {
    text.parse().map_err(|_| InvalidField { field, problem: "is not a Salesforce id" })
}

/// Reads an object.
///
/// # Errors
/// When it is unspecified or unknown.
pub fn object(number: i32) -> Result<Object, InvalidField> {
    match wire::SalesforceObject::try_from(number) {
        Ok(wire::SalesforceObject::Account) => Ok(Object::Account),
        Ok(wire::SalesforceObject::Contact) => Ok(Object::Contact),
        Ok(wire::SalesforceObject::Lead) => Ok(Object::Lead),
        Ok(wire::SalesforceObject::Unspecified) | Err(_) => {
            Err(InvalidField { field: "object", problem: "is unspecified or unknown" })
        }
    }
}

/// Reads a kind.
///
/// # Errors
/// When it is unspecified or unknown.
pub fn kind(number: i32) -> Result<Kind, InvalidField> {
    match wire::RecordKind::try_from(number) {
        Ok(wire::RecordKind::Account) => Ok(Kind::Account),
        Ok(wire::RecordKind::Contact) => Ok(Kind::Contact),
        Ok(wire::RecordKind::Unspecified) | Err(_) => {
            Err(InvalidField { field: "kind", problem: "is unspecified or unknown" })
        }
    }
}

/// Reads a plan.
///
/// # Errors
/// When it is unspecified or unknown.
pub fn plan(number: i32) -> Result<Plan, InvalidField> {
    match wire::Plan::try_from(number) {
        Ok(wire::Plan::Starter) => Ok(Plan::Starter),
        Ok(wire::Plan::Pro) => Ok(Plan::Pro),
        Ok(wire::Plan::Business) => Ok(Plan::Business),
        Ok(wire::Plan::Unspecified) | Err(_) => {
            Err(InvalidField { field: "plan", problem: "is unspecified or unknown" })
        }
    }
}

/// Reads a field type.
///
/// # Errors
/// When it is unspecified or unknown.
pub fn field_type(number: i32) -> Result<FieldType, InvalidField> {
    match wire::FieldType::try_from(number) {
        Ok(wire::FieldType::Text) => Ok(FieldType::Text),
        Ok(wire::FieldType::Url) => Ok(FieldType::Url),
        Ok(wire::FieldType::Number) => Ok(FieldType::Number),
        Ok(wire::FieldType::Money) => Ok(FieldType::Money),
        Ok(wire::FieldType::Option) => Ok(FieldType::Option),
        Ok(wire::FieldType::Date) => Ok(FieldType::Date),
        Ok(wire::FieldType::Boolean) => Ok(FieldType::Boolean),
        Ok(wire::FieldType::Unspecified) | Err(_) => {
            Err(InvalidField { field: "type", problem: "is unspecified or unknown" })
        }
    }
}

impl From<Object> for wire::SalesforceObject {
    fn from(object: Object) -> Self {
        match object {
            Object::Account => Self::Account,
            Object::Contact => Self::Contact,
            Object::Lead => Self::Lead,
        }
    }
}

impl From<Kind> for wire::RecordKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Account => Self::Account,
            Kind::Contact => Self::Contact,
        }
    }
}

impl From<Plan> for wire::Plan {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Starter => Self::Starter,
            Plan::Pro => Self::Pro,
            Plan::Business => Self::Business,
        }
    }
}

impl From<FieldType> for wire::FieldType {
    fn from(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Text => Self::Text,
            FieldType::Url => Self::Url,
            FieldType::Number => Self::Number,
            FieldType::Money => Self::Money,
            FieldType::Option => Self::Option,
            FieldType::Date => Self::Date,
            FieldType::Boolean => Self::Boolean,
        }
    }
}

impl From<&Value> for wire::Value {
    fn from(value: &Value) -> Self {
        use wire::value::Value as Wire;
        let value = match value {
            Value::Text(text) => Wire::Text(text.clone()),
            Value::Number(number) => Wire::Number(number.to_string()),
            Value::Money(money) => Wire::Money(wire::Money {
                amount: money.amount.to_string(),
                currency_code: money.currency.as_str().to_owned(),
            }),
            Value::Option(key) => Wire::Option(key.clone()),
            Value::Date(date) => Wire::Date(date.to_string()),
            Value::Boolean(boolean) => Wire::Boolean(*boolean),
        };
        Self { value: Some(value) }
    }
}

impl TryFrom<wire::Value> for Value {
    type Error = InvalidField;

    fn try_from(value: wire::Value) -> Result<Self, Self::Error> {
        use wire::value::Value as Wire;
        let invalid = |field, problem| InvalidField { field, problem };
        match value.value.ok_or(invalid("value", "is missing"))? {
            Wire::Text(text) => Ok(Self::Text(text)),
            Wire::Number(number) => {
                number.parse().map(Self::Number).map_err(|_| invalid("value.number", "is not a decimal number"))
            }
            Wire::Money(money) => Ok(Self::Money(Money {
                amount: money.amount.parse().map_err(|_| invalid("value.money.amount", "is not a decimal number"))?,
                currency: money
                    .currency_code
                    .parse::<CurrencyCode>()
                    .map_err(|_| invalid("value.money.currency_code", "is not three upper-case letters"))?,
            })),
            Wire::Option(key) => Ok(Self::Option(key)),
            Wire::Date(date) => date.parse().map(Self::Date).map_err(|_| invalid("value.date", "is not a date")),
            Wire::Boolean(boolean) => Ok(Self::Boolean(boolean)),
        }
    }
}

/// Writes a moment.
#[must_use]
pub fn to_wire_time(moment: Timestamp) -> WireTimestamp {
    // jiff rounds towards zero with a signed fraction; protobuf wants the fraction to count forward.
    let (mut seconds, mut nanos) = (moment.as_second(), moment.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    WireTimestamp { seconds, nanos }
}

/// Reads a moment.
///
/// # Errors
/// When it is out of range.
pub fn from_wire_time(field: &'static str, moment: &WireTimestamp) -> Result<Timestamp, InvalidField> {
    Timestamp::new(moment.seconds, moment.nanos).map_err(|_| InvalidField { field, problem: "is out of range" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let money = Money { amount: "1250000.50".parse().unwrap(), currency: "EUR".parse().unwrap() };
        for value in [
            Value::Text("Ääkkö".into()),
            Value::Number("0.10".parse().unwrap()),
            Value::Money(money),
            Value::Option("gold".into()),
            Value::Date("1899-12-31".parse().unwrap()),
            Value::Boolean(false),
        ] {
            assert_eq!(Value::try_from(wire::Value::from(&value)), Ok(value));
        }
    }

    #[test]
    fn a_moment_before_1970_keeps_its_fraction() {
        let moment = Timestamp::from_millisecond(-1_500).unwrap();
        let wire = to_wire_time(moment);
        assert_eq!((wire.seconds, wire.nanos), (-2, 500_000_000));
        assert_eq!(from_wire_time("at", &wire), Ok(moment));
    }
}

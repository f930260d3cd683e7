//! Whether a Salesforce field can feed a Lane field, decided when a mapping is saved.

use domain::FieldType;

use crate::schema::{SourceField, SourceType};

/// How a Salesforce type fits a Lane type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As it is.
    Compatible,
    /// Converted, as the sentence says.
    Converts(&'static str),
    /// Not at all, for the reason that the sentence says.
    Refused(&'static str),
}

const JOINED: Fit = Fit::Converts("the selected values, joined by semicolons");
const COMPOUND: Fit = Fit::Refused("is a compound field: choose one of its parts");

/// Returns how `source` fits a Lane field of type `target`.
#[must_use]
pub fn fit(source: &SourceField, target: FieldType) -> Fit {
    use SourceType as S;
    match source.source_type {
        S::Address | S::Location => return COMPOUND,
        S::Base64 => return Fit::Refused("holds bytes, not a value"),
        S::EncryptedString => return Fit::Refused("is masked by Salesforce"),
        S::AnyType | S::ComplexValue | S::Unknown => return Fit::Refused("has no type that can be mapped"),
        _ => {}
    }
    match target {
        FieldType::Text => text(source.source_type),
        FieldType::Url => match source.source_type {
            S::Url => Fit::Compatible,
            S::String => Fit::Converts("text, kept as it is"),
            _ => Fit::Refused("is not a web address"),
        },
        FieldType::Number => match source.source_type {
            S::Int | S::Long | S::Double => Fit::Compatible,
            S::Percent => Fit::Converts("the percentage as a number: 12.5 % is 12.5"),
            S::Currency => Fit::Converts("the amount without its currency"),
            _ => Fit::Refused("is not a number"),
        },
        FieldType::Money => match source.source_type {
            S::Currency => Fit::Compatible,
            S::Int | S::Long | S::Double => Fit::Converts("an amount in the currency of the record or the org"),
            _ => Fit::Refused("is not an amount"),
        },
        FieldType::Option => option(source),
        FieldType::Date => match source.source_type {
            S::Date => Fit::Compatible,
            S::DateTime => Fit::Converts("the day in UTC"),
            _ => Fit::Refused("is not a date"),
        },
        FieldType::Boolean => match source.source_type {
            S::Boolean => Fit::Compatible,
            _ => Fit::Refused("is not a checkbox"),
        },
    }
}

fn text(source: SourceType) -> Fit {
    use SourceType as S;
    match source {
        S::String | S::TextArea | S::Phone | S::Email | S::Url | S::Picklist | S::Combobox => Fit::Compatible,
        S::Int | S::Long | S::Double | S::Currency | S::Percent => Fit::Converts("the number as text"),
        S::Date | S::DateTime | S::Time => Fit::Converts("the date or time as Salesforce writes it"),
        S::Boolean => Fit::Converts("true or false as text"),
        S::MultiPicklist => JOINED,
        S::Id | S::Reference => Fit::Converts("the 18-character id"),
        S::EncryptedString | S::Address | S::Location | S::Base64 | S::AnyType | S::ComplexValue | S::Unknown => {
            Fit::Refused("has no type that can be mapped")
        }
    }
}

fn option(source: &SourceField) -> Fit {
    use SourceType as S;
    match source.source_type {
        S::Picklist | S::Combobox => Fit::Compatible,
        S::MultiPicklist => Fit::Converts("the first selected value that is mapped"),
        S::Boolean => Fit::Converts("the values true and false"),
        S::String if source.calculated => Fit::Converts("every text that the formula gives is a value to map"),
        S::String | S::TextArea => Fit::Refused("is free text: an option field needs a picklist"),
        _ => Fit::Refused("is not a picklist"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit_of(source_type: SourceType, target: FieldType) -> Fit {
        let (path, label) = ("F".to_owned(), "F".to_owned());
        let field = SourceField { path, label, source_type, calculated: false, custom: true, values: Vec::new() };
        fit(&field, target)
    }

    #[test]
    fn what_has_no_single_value_fits_nothing() {
        let refused = [
            SourceType::Address,
            SourceType::Location,
            SourceType::Base64,
            SourceType::EncryptedString,
            SourceType::AnyType,
            SourceType::ComplexValue,
            SourceType::Unknown,
        ];
        for source_type in refused {
            for target in FieldType::ALL {
                assert!(matches!(fit_of(source_type, target), Fit::Refused(_)), "{source_type:?} {target:?}");
            }
        }
    }

    #[test]
    fn like_feeds_like_and_text_never_becomes_a_number() {
        for (source_type, target) in [
            (SourceType::String, FieldType::Text),
            (SourceType::Url, FieldType::Url),
            (SourceType::Double, FieldType::Number),
            (SourceType::Currency, FieldType::Money),
            (SourceType::Picklist, FieldType::Option),
            (SourceType::Date, FieldType::Date),
            (SourceType::Boolean, FieldType::Boolean),
        ] {
            assert_eq!(fit_of(source_type, target), Fit::Compatible, "{source_type:?}");
        }
        for target in [FieldType::Number, FieldType::Money, FieldType::Date, FieldType::Boolean, FieldType::Option] {
            assert!(matches!(fit_of(SourceType::String, target), Fit::Refused(_)), "{target:?}");
        }
        assert!(matches!(fit_of(SourceType::DateTime, FieldType::Date), Fit::Converts(_)));
        assert!(matches!(fit_of(SourceType::Percent, FieldType::Money), Fit::Refused(_)));
    }

    #[test]
    fn every_describe_type_is_found_by_its_name() {
        for source_type in SourceType::ALL {
            assert_eq!(SourceType::from_describe(source_type.name()), *source_type);
        }
        assert_eq!(SourceType::from_describe("hologram"), SourceType::Unknown);
    }
}

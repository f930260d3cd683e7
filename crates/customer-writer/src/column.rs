//! Where each Lane field of a kind is kept: a typed column, or the document of custom fields.

use domain::catalogue::standard_fields;
use domain::{FieldId, FieldType, Kind};

/// No kind has more standard fields.
pub(crate) const MAX_COLUMNS: usize = 13;

/// The place of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// A column of the table.
    Standard {
        /// Place in the catalogue: the bit in masks.
        bit: usize,
        /// Type.
        field_type: FieldType,
    },
    /// A member of the document of custom fields.
    Custom(FieldId),
}

impl Column {
    /// Returns the place of `field`, or `None` when the kind has no such field.
    pub(crate) fn of(kind: Kind, field: &str) -> Option<Self> {
        if let Some(bit) = standard_fields(kind).iter().position(|known| known.id == field) {
            return Some(Self::Standard { bit, field_type: standard_fields(kind)[bit].field_type });
        }
        field.parse::<FieldId>().ok().filter(FieldId::is_custom).map(Self::Custom)
    }
}

/// The bit of the standard field `field`, or 0.
pub(crate) fn bit_of(kind: Kind, field: &str) -> i32 {
    standard_fields(kind).iter().position(|known| known.id == field).map_or(0, |place| 1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of the store are written for exactly these places.
    #[test]
    fn the_catalogue_stands_as_the_statements_expect_it() {
        let ids = |kind| standard_fields(kind).iter().map(|field| field.id).collect::<Vec<_>>();
        let account = "name website domain arr tier status industry employee_count owner_name owner_email phone country \
                       description";
        assert_eq!(ids(Kind::Account), account.split_whitespace().collect::<Vec<_>>());
        let contact = "name email phone title status tier country company owner_name";
        assert_eq!(ids(Kind::Contact), contact.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ids(Kind::Account).len(), MAX_COLUMNS);
    }

    #[test]
    fn a_field_is_a_column_a_custom_field_or_unknown() {
        assert_eq!(Column::of(Kind::Account, "arr"), Some(Column::Standard { bit: 3, field_type: FieldType::Money }));
        assert_eq!(Column::of(Kind::Contact, "arr"), None);
        assert!(matches!(Column::of(Kind::Contact, "custom_region"), Some(Column::Custom(_))));
        assert_eq!(bit_of(Kind::Contact, "status"), 16);
    }
}

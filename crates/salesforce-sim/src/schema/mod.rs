//! What an object looks like: its fields, in the words of describe.

mod account;
mod contact;
mod describe;
mod field;
mod lead;
mod others;

use std::collections::HashMap;

pub(crate) use describe::{describe, list_entry};
pub(crate) use field::{Field, Kind, PickValue};
use field::{address, currency, date, double, flag, long_text, lookup, moment, phone, picklist, text, whole};

/// Id, IsDeleted and SystemModstamp, which every table keeps at fixed places.
fn leading_fields(label: &str) -> Vec<Field> {
    vec![
        Field::new("Id", &format!("{label} ID"), Kind::Id).length(18).required().read_only().always_there(),
        flag("IsDeleted", "Deleted").read_only().always_there(),
        moment("SystemModstamp", "System Modstamp").required().read_only().always_there(),
    ]
}

/// Who made and changed a record, and when.
fn audit_fields(fields: &mut Vec<Field>) {
    fields.extend([
        moment("CreatedDate", "Created Date").required().read_only().always_there(),
        lookup("CreatedById", "Created By ID", &["User"], "CreatedBy").required().read_only().always_there(),
        moment("LastModifiedDate", "Last Modified Date").required().read_only().always_there(),
        lookup("LastModifiedById", "Last Modified By ID", &["User"], "LastModifiedBy")
            .required()
            .read_only()
            .always_there(),
    ]);
}

fn last_seen_fields(fields: &mut Vec<Field>) {
    fields.extend([
        date("LastActivityDate", "Last Activity").read_only().always_there(),
        moment("LastViewedDate", "Last Viewed Date").read_only().always_there(),
        moment("LastReferencedDate", "Last Referenced Date").read_only().always_there(),
    ]);
}

/// Where `Id`, `IsDeleted` and `SystemModstamp` stand in every table.
pub(crate) const ID: usize = 0;
pub(crate) const IS_DELETED: usize = 1;
pub(crate) const STAMP: usize = 2;

/// One object: its name, its labels, its fields.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    by_folded_name: HashMap<String, usize>,
    /// Child relationship name, child object, child field, cascades on delete.
    pub(crate) children: Vec<(&'static str, &'static str, &'static str, bool)>,
    /// Records can be merged, undeleted, replicated: the business objects.
    pub(crate) business: bool,
    /// When fields or picklists last changed.
    pub(crate) changed_ms: i64,
}

impl Schema {
    fn new(
        name: &'static str,
        label: &'static str,
        plural: &'static str,
        prefix: &'static str,
        fields: Vec<Field>,
    ) -> Self {
        let mut schema = Self {
            name,
            label,
            plural,
            prefix,
            fields: Vec::new(),
            by_name: HashMap::new(),
            by_folded_name: HashMap::new(),
            children: Vec::new(),
            business: false,
            changed_ms: 0,
        };
        fields.into_iter().for_each(|field| schema.add(field));
        schema
    }

    /// Appends a field; its place is its column.
    pub(crate) fn add(&mut self, field: Field) {
        self.by_name.insert(field.name.clone(), self.fields.len());
        self.by_folded_name.insert(field.name.to_ascii_lowercase(), self.fields.len());
        self.fields.push(field);
    }

    /// The column of a field that exists, whether or not the user may see it.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name) {
            Some(&column) => Some(column),
            None => self.by_folded_name.get(&name.to_ascii_lowercase()).copied(),
        }
    }

    /// The column of a field that the user may see.
    pub(crate) fn visible_column(&self, name: &str) -> Option<usize> {
        self.column(name).filter(|&column| self.fields[column].is_visible())
    }

    /// The column of a field that every build of this schema has.
    pub(crate) fn known(&self, name: &str) -> usize {
        self.column(name).unwrap_or_else(|| panic!("{} has a field {name}", self.name))
    }

    /// The lookup field behind a relationship name.
    pub(crate) fn relationship(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| {
            field.is_visible() && field.relationship.is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// The columns of a compound address: street, city, state, postal code, country, latitude,
    /// longitude, accuracy.
    pub(crate) fn address_parts(&self, compound: &str) -> Vec<usize> {
        self.fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.kind != Kind::Address && field.compound.is_some_and(|name| name == compound))
            .map(|(column, _)| column)
            .collect()
    }
}

/// Every object of a fresh org, in a fixed order.
pub(crate) fn objects(multi_currency: bool) -> Vec<Schema> {
    let mut objects = vec![
        account::schema(),
        contact::schema(),
        lead::schema(),
        others::opportunity(),
        others::user(),
        others::group(),
        others::organization(),
    ];
    if multi_currency {
        for schema in objects.iter_mut().filter(|schema| schema.business || schema.name == "User") {
            schema.add(
                picklist("CurrencyIsoCode", "Currency ISO Code", 3, &["EUR", "USD", "GBP", "JPY", "-DEM"]).restricted(),
            );
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_objects_are_as_wide_as_real_ones() {
        let objects = objects(false);
        let visible = |name: &str| {
            let schema = objects.iter().find(|schema| schema.name == name).unwrap();
            schema.fields.iter().filter(|field| field.is_visible()).count()
        };
        assert!(visible("Account") >= 68, "{}", visible("Account"));
        assert!(visible("Contact") >= 65, "{}", visible("Contact"));
        assert!(visible("Lead") >= 58, "{}", visible("Lead"));
    }

    #[test]
    fn the_leading_columns_stand_at_their_fixed_places_and_names_are_unique() {
        for schema in objects(true) {
            assert_eq!(schema.column("id"), Some(ID));
            assert_eq!(schema.column("ISDELETED"), Some(IS_DELETED));
            assert_eq!(schema.column("SystemModstamp"), Some(STAMP));
            assert_eq!(schema.by_folded_name.len(), schema.fields.len(), "{}", schema.name);
        }
    }

    #[test]
    fn an_address_has_eight_parts() {
        for schema in objects(false) {
            for field in schema.fields.iter().filter(|field| field.kind == Kind::Address) {
                assert_eq!(schema.address_parts(&field.name).len(), 8, "{}.{}", schema.name, field.name);
            }
        }
    }
}

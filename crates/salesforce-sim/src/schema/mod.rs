//! What an object looks like: its fields, in the words of describe.

mod account;
mod contact;
mod describe;
mod lead;
mod others;

use std::collections::HashMap;

pub(crate) use describe::{describe, list_entry};

/// The type of a field, named as describe names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    String,
    TextArea,
    Picklist,
    MultiPicklist,
    Phone,
    Email,
    Url,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Reference,
    Address,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::String => "string",
            Self::TextArea => "textarea",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Reference => "reference",
            Self::Address => "address",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Id,
            Self::String,
            Self::TextArea,
            Self::Picklist,
            Self::MultiPicklist,
            Self::Phone,
            Self::Email,
            Self::Url,
            Self::Boolean,
            Self::Int,
            Self::Double,
            Self::Currency,
            Self::Percent,
            Self::Date,
            Self::DateTime,
            Self::Reference,
            Self::Address,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    /// Whether its cells hold text.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::String
                | Self::TextArea
                | Self::Picklist
                | Self::MultiPicklist
                | Self::Phone
                | Self::Email
                | Self::Url
        )
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Double | Self::Currency | Self::Percent
        )
    }

    pub(crate) fn is_picklist(self) -> bool {
        matches!(self, Self::Picklist | Self::MultiPicklist)
    }
}

/// One entry of a picklist.
#[derive(Clone, Debug)]
pub(crate) struct PickValue {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) active: bool,
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) nillable: bool,
    pub(crate) writable: bool,
    pub(crate) permissionable: bool,
    pub(crate) calculated: bool,
    pub(crate) restricted: bool,
    pub(crate) name_field: bool,
    pub(crate) unique: bool,
    pub(crate) extra_type_info: Option<&'static str>,
    pub(crate) compound: Option<&'static str>,
    pub(crate) reference_to: Vec<&'static str>,
    pub(crate) relationship: Option<&'static str>,
    pub(crate) default: Option<String>,
    pub(crate) values: Vec<PickValue>,
    /// Kept for the store's own use; no API ever shows it.
    pub(crate) internal: bool,
    /// Field-level security hides it from the integration user.
    pub(crate) hidden: bool,
}

impl Field {
    pub(crate) fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            length: 0,
            precision: 0,
            scale: 0,
            nillable: true,
            writable: true,
            permissionable: true,
            calculated: false,
            restricted: false,
            name_field: false,
            unique: false,
            extra_type_info: None,
            compound: None,
            reference_to: Vec::new(),
            relationship: None,
            default: None,
            values: Vec::new(),
            internal: false,
            hidden: false,
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub(crate) fn is_visible(&self) -> bool {
        !self.internal && !self.hidden
    }

    /// Long texts and compounds can't stand in WHERE or ORDER BY.
    pub(crate) fn filterable(&self) -> bool {
        !(self.kind == Kind::TextArea && self.length > 255)
    }

    fn length(mut self, length: u32) -> Self {
        self.length = length;
        self
    }

    fn digits(mut self, precision: u32, scale: u32) -> Self {
        (self.precision, self.scale) = (precision, scale);
        self
    }

    fn required(mut self) -> Self {
        self.nillable = false;
        self
    }

    fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }

    /// Field-level security can't hide it.
    fn always_there(mut self) -> Self {
        self.permissionable = false;
        self
    }

    fn part_of(mut self, compound: &'static str) -> Self {
        self.compound = Some(compound);
        self
    }

    fn formula(mut self) -> Self {
        self.calculated = true;
        self.read_only()
    }

    fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    fn default(mut self, value: &str) -> Self {
        self.default = Some(value.to_owned());
        self
    }

    fn named(mut self, extra: Option<&'static str>) -> Self {
        self.name_field = true;
        self.extra_type_info = extra;
        self
    }
}

fn text(name: &str, label: &str, length: u32) -> Field {
    Field::new(name, label, Kind::String).length(length)
}

fn long_text(name: &str, label: &str, length: u32) -> Field {
    Field::new(name, label, Kind::TextArea).length(length)
}

fn phone(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Phone).length(40)
}

fn flag(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Boolean)
        .required()
        .default("false")
}

fn whole(name: &str, label: &str, digits: u32) -> Field {
    Field::new(name, label, Kind::Int).digits(digits, 0)
}

fn double(name: &str, label: &str, precision: u32, scale: u32) -> Field {
    Field::new(name, label, Kind::Double).digits(precision, scale)
}

fn currency(name: &str, label: &str, precision: u32, scale: u32) -> Field {
    Field::new(name, label, Kind::Currency).digits(precision, scale)
}

fn date(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Date)
}

fn moment(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::DateTime)
}

fn lookup(name: &str, label: &str, to: &[&'static str], relationship: &'static str) -> Field {
    let mut field = Field::new(name, label, Kind::Reference).length(18);
    field.reference_to = to.to_vec();
    field.relationship = Some(relationship);
    field
}

/// A picklist; a value starting with `-` is inactive.
fn picklist(name: &str, label: &str, length: u32, values: &[&str]) -> Field {
    let mut field = Field::new(name, label, Kind::Picklist).length(length);
    field.values = values
        .iter()
        .map(|entry| {
            let (value, active) = entry
                .strip_prefix('-')
                .map_or((*entry, true), |value| (value, false));
            PickValue {
                value: value.to_owned(),
                label: value.to_owned(),
                active,
            }
        })
        .collect();
    field
}

const GEOCODE: [&str; 11] = [
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "ExtendedZip",
    "Zip",
    "Neighborhood",
    "City",
    "County",
    "State",
    "Unknown",
];

/// An address: the compound field and its eight parts.
fn address(fields: &mut Vec<Field>, prefix: &str, compound: &'static str, label: &str) {
    let name = |part: &str| format!("{prefix}{part}");
    let title = |part: &str| format!("{label} {part}").trim().to_owned();
    let parts = [
        long_text(&name("Street"), &title("Street"), 255),
        text(&name("City"), &title("City"), 40),
        text(&name("State"), &title("State/Province"), 80),
        text(&name("PostalCode"), &title("Zip/Postal Code"), 20),
        text(&name("Country"), &title("Country"), 80),
        double(&name("Latitude"), &title("Latitude"), 18, 15),
        double(&name("Longitude"), &title("Longitude"), 18, 15),
        picklist(
            &name("GeocodeAccuracy"),
            &title("Geocode Accuracy"),
            40,
            &GEOCODE,
        )
        .restricted(),
    ];
    fields.extend(parts.map(|part| part.part_of(compound)));
    fields.push(Field::new(compound, &title("Address"), Kind::Address).read_only());
}

/// Id, IsDeleted and SystemModstamp, which every table keeps at fixed places.
fn leading_fields(label: &str) -> Vec<Field> {
    vec![
        Field::new("Id", &format!("{label} ID"), Kind::Id)
            .length(18)
            .required()
            .read_only()
            .always_there(),
        flag("IsDeleted", "Deleted").read_only().always_there(),
        moment("SystemModstamp", "System Modstamp")
            .required()
            .read_only()
            .always_there(),
    ]
}

/// Who made and changed a record, and when.
fn audit_fields(fields: &mut Vec<Field>) {
    fields.extend([
        moment("CreatedDate", "Created Date")
            .required()
            .read_only()
            .always_there(),
        lookup("CreatedById", "Created By ID", &["User"], "CreatedBy")
            .required()
            .read_only()
            .always_there(),
        moment("LastModifiedDate", "Last Modified Date")
            .required()
            .read_only()
            .always_there(),
        lookup(
            "LastModifiedById",
            "Last Modified By ID",
            &["User"],
            "LastModifiedBy",
        )
        .required()
        .read_only()
        .always_there(),
    ]);
}

fn last_seen_fields(fields: &mut Vec<Field>) {
    fields.extend([
        date("LastActivityDate", "Last Activity")
            .read_only()
            .always_there(),
        moment("LastViewedDate", "Last Viewed Date")
            .read_only()
            .always_there(),
        moment("LastReferencedDate", "Last Referenced Date")
            .read_only()
            .always_there(),
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
            children: Vec::new(),
            business: false,
            changed_ms: 0,
        };
        fields.into_iter().for_each(|field| schema.add(field));
        schema
    }

    /// Appends a field; its place is its column.
    pub(crate) fn add(&mut self, field: Field) {
        self.by_name
            .insert(field.name.to_ascii_lowercase(), self.fields.len());
        self.fields.push(field);
    }

    /// The column of a field that exists, whether or not the user may see it.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name) {
            Some(&column) => Some(column),
            None => self.by_name.get(&name.to_ascii_lowercase()).copied(),
        }
    }

    /// The column of a field that the user may see.
    pub(crate) fn visible_column(&self, name: &str) -> Option<usize> {
        self.column(name)
            .filter(|&column| self.fields[column].is_visible())
    }

    /// The column of a field that every build of this schema has.
    pub(crate) fn known(&self, name: &str) -> usize {
        self.column(name)
            .unwrap_or_else(|| panic!("{} has a field {name}", self.name))
    }

    /// The lookup field behind a relationship name.
    pub(crate) fn relationship(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| {
            field.is_visible()
                && field
                    .relationship
                    .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// The columns of a compound address: street, city, state, postal code, country, latitude,
    /// longitude, accuracy.
    pub(crate) fn address_parts(&self, compound: &str) -> Vec<usize> {
        self.fields
            .iter()
            .enumerate()
            .filter(|(_, field)| {
                field.kind != Kind::Address && field.compound.is_some_and(|name| name == compound)
            })
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
        for schema in objects
            .iter_mut()
            .filter(|schema| schema.business || schema.name == "User")
        {
            schema.add(
                picklist(
                    "CurrencyIsoCode",
                    "Currency ISO Code",
                    3,
                    &["EUR", "USD", "GBP", "JPY", "-DEM"],
                )
                .restricted(),
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
            schema
                .fields
                .iter()
                .filter(|field| field.is_visible())
                .count()
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
            assert_eq!(schema.by_name.len(), schema.fields.len(), "{}", schema.name);
        }
    }

    #[test]
    fn an_address_has_eight_parts() {
        for schema in objects(false) {
            for field in schema
                .fields
                .iter()
                .filter(|field| field.kind == Kind::Address)
            {
                assert_eq!(
                    schema.address_parts(&field.name).len(),
                    8,
                    "{}.{}",
                    schema.name,
                    field.name
                );
            }
        }
    }
}

//! Maps one record: the hot path.

use std::borrow::Cow;

use domain::{CurrencyCode, FieldId, FieldType, Money, Object, Value};
use serde_json::value::RawValue;

use crate::convert::{self, Scalar};
use crate::decimal;
use crate::definition::{Decision, Entry, KindMapping};
use crate::fault::{Fault, FaultCode};
use crate::image::{self, Members};

/// The mapping of one object in the form that maps quickly.
#[derive(Clone, Debug)]
pub struct Compiled {
    object: Object,
    entries: Vec<Entry>,
    /// Place of each entry's member, or `None` when the object does not feed the field.
    places: Vec<Option<usize>>,
    /// Distinct members to look for in an image.
    paths: Vec<Box<str>>,
    currency: Option<usize>,
    first_and_last_name: Option<(usize, usize)>,
}

/// A mapping bound to one read: to the fields that it asked for and the currency of its org.
#[derive(Clone, Debug)]
pub struct Reader<'c> {
    compiled: &'c Compiled,
    /// Per entry: whether the read asked for its member.
    was_read: Vec<bool>,
    default_currency: Option<CurrencyCode>,
}

/// What to do with one Lane field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Write the value.
    Set(Value),
    /// Salesforce says null.
    Clear,
    /// A picklist value without mapping: mark the field, and bring it to the last value known.
    Unmapped(LastKnown),
    /// Leave the field alone: not read, not fed by this object, or the value is ignored.
    Absent,
}

/// The newest mapped value of an option field before an unmapped one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastKnown {
    /// Nothing is known: keep what is there.
    Unknown,
    /// The field was null.
    Empty,
    /// The field had this option.
    Option(String),
}

/// What an image said about one option field that the read asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSeen<'a> {
    /// Place of the field among the cells.
    pub cell: usize,
    /// Raw values; empty means null. More than one only for multi-select fields.
    pub values: Vec<Cow<'a, str>>,
    /// The first of them that is mapped to an option.
    pub mapped: Option<usize>,
    /// Whether a value is neither mapped nor ignored.
    pub has_open: bool,
}

impl OptionSeen<'_> {
    /// Whether the image itself decides the Lane value: it is null, or one of its values is mapped.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.values.is_empty() || self.mapped.is_some()
    }
}

/// One record in Lane's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// One cell for each of [`Compiled::fields`].
    pub cells: Vec<Cell>,
    /// What the option fields carry, mapped or not.
    pub options: Vec<OptionSeen<'a>>,
    /// Why the record can't be written; empty when it can.
    pub faults: Vec<Fault>,
}

const CURRENCY: &str = "CurrencyIsoCode";

impl KindMapping {
    /// Compiles the mapping for one object of its kind.
    #[must_use]
    pub fn compile(&self, object: Object) -> Compiled {
        let mut paths: Vec<Box<str>> = Vec::new();
        let mut place = |path: &str| match paths.iter().position(|known| **known == *path) {
            Some(place) => place,
            None => {
                paths.push(path.into());
                paths.len() - 1
            }
        };
        let places: Vec<_> =
            self.entries.iter().map(|entry| entry.source(object).map(|path| place(path.as_str()))).collect();
        let has_money = self.entries.iter().any(|entry| entry.field_type == FieldType::Money);
        let currency = has_money.then(|| place(CURRENCY));
        // A person's name is first and last name by default, should the joined one be empty.
        let joins_names = object != Object::Account
            && self.entries.iter().any(|entry| {
                entry.field.as_str() == "name" && entry.source(object).is_some_and(|path| path.as_str() == "Name")
            });
        let first_and_last_name = joins_names.then(|| (place("FirstName"), place("LastName")));
        Compiled { object, entries: self.entries.clone(), places, paths, currency, first_and_last_name }
    }
}

impl Entry {
    /// Returns the path that feeds the field from `object`.
    #[must_use]
    pub fn source(&self, object: Object) -> Option<&crate::FieldPath> {
        match object {
            Object::Account | Object::Contact => Some(&self.path),
            Object::Lead => self.lead_path.as_ref(),
        }
    }
}

impl Compiled {
    /// Returns the object whose records it maps.
    #[must_use]
    pub fn object(&self) -> Object {
        self.object
    }

    /// Returns the Lane fields in the order of cells.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &FieldId> {
        self.entries.iter().map(|entry| &entry.field)
    }

    /// Returns the entries in the order of cells.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether nothing is mapped: a live record has nothing to say then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many option fields are mapped.
    #[must_use]
    pub fn option_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.field_type == FieldType::Option).count()
    }

    /// Binds the mapping to a read: the fields that it asked for, and the currency of amounts without one.
    #[must_use]
    pub fn reader<'f>(
        &self,
        fields: impl IntoIterator<Item = &'f str>,
        default_currency: Option<CurrencyCode>,
    ) -> Reader<'_> {
        let listed: std::collections::HashSet<&str> = fields.into_iter().collect();
        let was_read =
            self.places.iter().map(|place| place.is_some_and(|place| listed.contains(&*self.paths[place]))).collect();
        Reader { compiled: self, was_read, default_currency }
    }

    /// Returns what the option fields of an image carry. An image that can't be read carries nothing.
    #[must_use]
    pub fn options_of<'a>(&self, image: &'a str) -> Vec<OptionSeen<'a>> {
        if !self.entries.iter().any(|entry| entry.field_type == FieldType::Option) {
            return Vec::new();
        }
        let Ok(members) = image::members(image, &self.paths) else {
            return Vec::new();
        };
        let option_cells = (0..self.entries.len()).filter(|cell| self.entries[*cell].field_type == FieldType::Option);
        option_cells.filter_map(|cell| self.option_seen(cell, self.member(&members, cell)?).ok()).collect()
    }

    /// Returns the option that `raw` is mapped to in the field of a cell.
    #[must_use]
    pub fn option(&self, cell: usize, raw: &str) -> Option<&str> {
        match self.entries.get(cell)?.values.get(raw)? {
            Decision::Map(option) => Some(option),
            Decision::Ignore => None,
        }
    }

    fn member<'a>(&self, members: &Members<'a>, cell: usize) -> Option<&'a RawValue> {
        members[self.places[cell]?]
    }

    fn option_seen<'a>(&self, cell: usize, raw: &'a RawValue) -> Result<OptionSeen<'a>, FaultCode> {
        let entry = &self.entries[cell];
        let values = match convert::option_text(convert::scalar(raw)?)? {
            None => Vec::new(),
            Some(text) if entry.multi_select => selected_values(text),
            Some(text) => vec![text],
        };
        if values.iter().any(|value| convert::is_option_too_long(value)) {
            return Err(FaultCode::TextTooLong);
        }
        let decision = |value: &Cow<'_, str>| entry.values.get(value.as_ref());
        let mapped = values.iter().position(|value| matches!(decision(value), Some(Decision::Map(_))));
        let has_open = values.iter().any(|value| decision(value).is_none());
        Ok(OptionSeen { cell, values, mapped, has_open })
    }
}

fn selected_values(text: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    match text {
        Cow::Borrowed(text) => text.split(';').filter(|part| !part.is_empty()).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => {
            text.split(';').filter(|part| !part.is_empty()).map(|part| Cow::Owned(part.to_owned())).collect()
        }
    }
}

impl Reader<'_> {
    /// Maps one image. A faulty field makes the record faulty; the other cells stand as they would.
    #[must_use]
    pub fn map<'a>(&self, image: &'a str) -> Mapped<'a> {
        let compiled = self.compiled;
        let mut mapped =
            Mapped { cells: Vec::with_capacity(compiled.entries.len()), options: Vec::new(), faults: Vec::new() };
        let members = match image::members(image, &compiled.paths) {
            Ok(members) => members,
            Err(code) => {
                mapped.cells.resize(compiled.entries.len(), Cell::Absent);
                mapped.faults.push(Fault::new(code, ""));
                return mapped;
            }
        };
        for cell in 0..compiled.entries.len() {
            let value = match self.cell(&members, cell, &mut mapped.options) {
                Ok(value) => value,
                Err(code) => {
                    mapped.faults.push(Fault::new(code, self.fault_field(cell, code)));
                    Cell::Absent
                }
            };
            mapped.cells.push(value);
        }
        mapped
    }

    /// A missing name is Lane's complaint, all else is about the Salesforce field.
    fn fault_field(&self, cell: usize, code: FaultCode) -> &str {
        let entry = &self.compiled.entries[cell];
        match (code, entry.source(self.compiled.object)) {
            (FaultCode::NameMissing, _) | (_, None) => entry.field.as_str(),
            (_, Some(path)) => path.as_str(),
        }
    }

    fn cell<'a>(
        &self,
        members: &Members<'a>,
        cell: usize,
        options: &mut Vec<OptionSeen<'a>>,
    ) -> Result<Cell, FaultCode> {
        if !self.was_read[cell] {
            return Ok(Cell::Absent);
        }
        let compiled = self.compiled;
        let entry = &compiled.entries[cell];
        let raw = compiled.member(members, cell).ok_or(FaultCode::FieldMissing)?;
        let value = match entry.field_type {
            FieldType::Option => {
                let seen = compiled.option_seen(cell, raw)?;
                let result = compiled.option_cell(&seen);
                options.push(seen);
                return Ok(result);
            }
            FieldType::Money => self.money(convert::scalar(raw)?, members)?,
            other => convert::value(convert::scalar(raw)?, other)?,
        };
        match value {
            Some(Value::Text(text)) if entry.required && text.trim().is_empty() => self.default_name(members),
            None if entry.required => self.default_name(members),
            Some(value) => Ok(Cell::Set(value)),
            None => Ok(Cell::Clear),
        }
    }

    fn money(&self, scalar: Scalar<'_>, members: &Members<'_>) -> Result<Option<Value>, FaultCode> {
        let written = match scalar {
            Scalar::Null => return Ok(None),
            Scalar::Number(written) => written,
            Scalar::Boolean(_) | Scalar::Text(_) => return Err(FaultCode::TypeMismatch),
        };
        let amount = decimal::parse(written)?;
        let own = match self.compiled.currency.and_then(|place| members[place]).map(convert::scalar).transpose() {
            Ok(own) => own,
            Err(_) => return Err(FaultCode::CurrencyUnknown),
        };
        let currency = match own {
            Some(Scalar::Text(code)) => code.parse().map_err(|_| FaultCode::CurrencyUnknown)?,
            Some(Scalar::Null) | None => self.default_currency.clone().ok_or(FaultCode::CurrencyUnknown)?,
            Some(Scalar::Boolean(_) | Scalar::Number(_)) => return Err(FaultCode::CurrencyUnknown),
        };
        Ok(Some(Value::Money(Money { amount, currency })))
    }

    /// Joins first and last name, for a person whose own name is empty.
    fn default_name(&self, members: &Members<'_>) -> Result<Cell, FaultCode> {
        let (first, last) = self.compiled.first_and_last_name.ok_or(FaultCode::NameMissing)?;
        let mut parts = Vec::new();
        for raw in [first, last].into_iter().filter_map(|place| members[place]) {
            if let Some(Value::Text(text)) = convert::value(convert::scalar(raw)?, FieldType::Text)? {
                parts.push(text);
            }
        }
        let name = parts.join(" ");
        if name.trim().is_empty() { Err(FaultCode::NameMissing) } else { Ok(Cell::Set(Value::Text(name))) }
    }
}

impl Compiled {
    fn option_cell(&self, seen: &OptionSeen<'_>) -> Cell {
        if seen.values.is_empty() {
            return Cell::Clear;
        }
        match seen.mapped.and_then(|mapped| self.option(seen.cell, &seen.values[mapped])) {
            Some(option) => Cell::Set(Value::Option(option.to_owned())),
            None if seen.has_open => Cell::Unmapped(LastKnown::Unknown),
            None => Cell::Absent,
        }
    }
}

//! A mapped record, read from the wire once and right from then on.

use contract::common::v1 as common;
use contract::event::v1::{Cell, CellAction, IdentityState, MappedRecord};
use domain::{FieldType, Object, SalesforceId, SourceVersion, Value};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::Xxh3;

use crate::column::{Column, MAX_COLUMNS};

/// What a source key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Existence {
    /// A record of its own.
    Live,
    /// Deleted in Salesforce.
    Deleted,
    /// Lost a merge.
    Merged,
    /// A lead that became a contact.
    Converted,
    /// Not visible to the integration user any more; kept as it is.
    NotVisible,
}

impl Existence {
    /// Returns the number that the tables keep.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Live => 1,
            Self::Deleted => 2,
            Self::Merged => 3,
            Self::Converted => 4,
            Self::NotVisible => 5,
        }
    }

    /// Returns the meaning of a [`Self::code`].
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Live, Self::Deleted, Self::Merged, Self::Converted, Self::NotVisible]
            .into_iter()
            .find(|existence| existence.code() == code)
    }
}

/// One record in Lane's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The object it was read as.
    pub(crate) object: Object,
    /// Its key.
    pub(crate) key: SalesforceId,
    /// How new it is.
    pub(crate) version: SourceVersion,
    /// `SystemModstamp` in milliseconds; 0 when unknown.
    pub(crate) modified_ms: i64,
    /// What it says.
    pub(crate) content: Content,
}

impl Record {
    /// Returns the key that continues it, if it does not stand for itself any more.
    pub(crate) fn target(&self) -> Option<&SalesforceId> {
        match &self.content {
            Content::Live(_) => None,
            Content::Gone { target, .. } => target.as_ref(),
        }
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// It exists and looks like this.
    Live(Box<Image>),
    /// It does not stand for itself any more, or can't be seen.
    Gone {
        /// Why; never [`Existence::Live`].
        existence: Existence,
        /// The key that continues it, when merged or converted.
        target: Option<SalesforceId>,
    },
}

/// The columns of a live record that the mapping feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// Account of a contact.
    pub(crate) account_id: Option<SalesforceId>,
    /// Columns to write, by bit.
    pub(crate) set_mask: i32,
    /// Columns that carry a picklist value without mapping, by bit.
    pub(crate) unmapped: i32,
    /// Text columns by place in the catalogue.
    pub(crate) texts: [Option<String>; MAX_COLUMNS],
    /// The one money column.
    pub(crate) money: Option<(Decimal, String)>,
    /// The one number column.
    pub(crate) number: Option<Decimal>,
    /// Custom fields to write; null clears.
    pub(crate) custom: Map<String, Json>,
    /// For each custom field that is fed, whether it carries a picklist value without mapping.
    pub(crate) custom_unmapped: Map<String, Json>,
}

impl Image {
    /// Returns a number that differs when anything differs that a write would change.
    pub(crate) fn hash(&self) -> i64 {
        let mut hash = Xxh3::new();
        let mut text = |value: Option<&str>| {
            // The length keeps neighbours apart; no text is as long as the mark for none.
            hash.update(&value.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hash.update(value.unwrap_or_default().as_bytes());
        };
        text(self.account_id.as_ref().map(SalesforceId::as_str));
        for value in &self.texts {
            text(value.as_deref());
        }
        let amount = self.money.as_ref().map(|(amount, _)| amount.normalize().to_string());
        text(amount.as_deref());
        text(self.money.as_ref().map(|(_, currency)| currency.as_str()));
        text(self.number.map(|number| number.normalize().to_string()).as_deref());
        for document in [&self.custom, &self.custom_unmapped] {
            if !document.is_empty() {
                text(Some(&Json::Object(document.clone()).to_string()));
            }
        }
        hash.update(&self.set_mask.to_le_bytes());
        hash.update(&self.unmapped.to_le_bytes());
        i64::from_le_bytes(hash.digest().to_le_bytes())
    }
}

/// Why a record can't be written. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// 18-character id; `None` when the id itself is unusable or the whole chunk is meant.
    pub(crate) key: Option<SalesforceId>,
    /// Stable code.
    pub(crate) code: String,
    /// Field concerned; may be empty.
    pub(crate) field: String,
    /// `read_seq` of the image, where the mapper knew it.
    pub(crate) read_seq: Option<i64>,
}

/// Where a batch's cells go, in the order in which they stand.
pub(crate) type Places = [(String, Option<Column>)];

/// Reads a record of a batch whose cells go to `places`.
pub(crate) fn read(
    object: Object,
    epoch: i64,
    mapping_version: i64,
    places: &Places,
    wire: MappedRecord,
) -> Result<Record, Fault> {
    let no_key = |code: &str| Fault { key: None, code: code.to_owned(), field: String::new(), read_seq: None };
    let key: SalesforceId = wire.id.parse().map_err(|_| no_key("id_invalid"))?;
    let read_seq = wire.read_seq;
    let fault = |(code, field): (&str, &str)| Fault {
        key: Some(key.clone()),
        code: code.to_owned(),
        field: field.to_owned(),
        read_seq: Some(read_seq),
    };
    if key.prefix() != object.id_prefix() {
        return Err(fault(("id_invalid", "Id")));
    }
    let content = match IdentityState::try_from(wire.state) {
        Ok(IdentityState::Live) => {
            let account_id = optional_id(&wire.account_id).map_err(|()| fault(("id_invalid", "AccountId")))?;
            let image = image(places, account_id, wire.cells).map_err(|(code, field)| fault((code, &field)))?;
            Content::Live(Box::new(image))
        }
        Ok(IdentityState::Deleted) => Content::Gone { existence: Existence::Deleted, target: None },
        Ok(IdentityState::NotVisible) => Content::Gone { existence: Existence::NotVisible, target: None },
        Ok(state @ (IdentityState::Merged | IdentityState::Converted)) => {
            let target: SalesforceId = wire.target_id.parse().map_err(|_| fault(("target_invalid", "")))?;
            let merged = state == IdentityState::Merged;
            let existence = if merged { Existence::Merged } else { Existence::Converted };
            Content::Gone { existence, target: Some(target) }
        }
        Ok(IdentityState::Unspecified) | Err(_) => return Err(fault(("state_invalid", ""))),
    };
    let version = SourceVersion { epoch, read_seq, mapping_version, revision: wire.revision };
    Ok(Record { object, key, version, modified_ms: wire.modified_ms, content })
}

fn optional_id(text: &str) -> Result<Option<SalesforceId>, ()> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| ()) }
}

fn image(places: &Places, account_id: Option<SalesforceId>, cells: Vec<Cell>) -> Result<Image, (&'static str, String)> {
    if cells.len() != places.len() {
        return Err(("message_invalid", String::new()));
    }
    let mut image = Image { account_id, ..Image::default() };
    for ((field, column), cell) in places.iter().zip(cells) {
        let failed = |code| (code, field.clone());
        let column = column.as_ref().ok_or_else(|| failed("mapping_target_unknown"))?;
        let (writes, is_unmapped) = match CellAction::try_from(cell.action) {
            Ok(CellAction::Absent) => continue,
            Ok(CellAction::Set) if cell.value.is_some() => (true, false),
            Ok(CellAction::Clear) => (true, false),
            Ok(CellAction::Unmapped) => (cell.value.is_some() || cell.last_known_empty, true),
            Ok(CellAction::Set | CellAction::Unspecified) | Err(_) => return Err(failed("message_invalid")),
        };
        // An explicit null clears whatever value a careless sender left in the cell.
        let value = cell.value.filter(|_| cell.action != i32::from(CellAction::Clear));
        match column {
            Column::Standard { bit, field_type } => {
                image.set_mask |= i32::from(writes) << bit;
                image.unmapped |= i32::from(is_unmapped) << bit;
                if let Some(value) = value {
                    image.put(*bit, *field_type, value).map_err(failed)?;
                }
            }
            Column::Custom(id) => {
                image.custom_unmapped.insert(id.as_str().to_owned(), Json::Bool(is_unmapped));
                if writes {
                    let value = value.map_or(Ok(Json::Null), document).map_err(failed)?;
                    image.custom.insert(id.as_str().to_owned(), value);
                }
            }
        }
    }
    Ok(image)
}

impl Image {
    fn put(&mut self, bit: usize, field_type: FieldType, value: common::Value) -> Result<(), &'static str> {
        use common::value::Value as Wire;
        match (field_type, value.value) {
            (FieldType::Text | FieldType::Url, Some(Wire::Text(text)))
            | (FieldType::Option, Some(Wire::Option(text))) => {
                self.texts[bit] = Some(storable(text)?);
            }
            (FieldType::Number, Some(Wire::Number(number))) => {
                self.number = Some(number.parse().map_err(|_| "number_out_of_range")?);
            }
            (FieldType::Money, Some(Wire::Money(money))) => {
                let amount = money.amount.parse().map_err(|_| "number_out_of_range")?;
                let is_code = money.currency_code.parse::<domain::CurrencyCode>().is_ok();
                self.money = Some((amount, is_code.then_some(money.currency_code).ok_or("currency_unknown")?));
            }
            _ => return Err("type_mismatch"),
        }
        Ok(())
    }
}

/// Postgres can't keep NUL in a text.
fn storable(text: String) -> Result<String, &'static str> {
    if text.contains('\0') { Err("text_invalid") } else { Ok(text) }
}

fn document(value: common::Value) -> Result<Json, &'static str> {
    let value = Value::try_from(value).map_err(|_| "type_mismatch")?;
    if let Value::Text(text) | Value::Option(text) = &value
        && text.contains('\0')
    {
        return Err("text_invalid");
    }
    serde_json::to_value(&value).map_err(|_| "type_mismatch")
}

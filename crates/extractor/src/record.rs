//! From what Salesforce sends to whole record images: REST pages and bulk results end in the same [`Record`], byte for byte.

mod cell;
pub mod csv;
mod image;
pub mod layout;
pub mod page;
pub mod sample;
#[cfg(test)]
mod tests;

use contract::event::v1 as wire;
use domain::SalesforceId;

use crate::stamp::Stamp;

/// What Salesforce said about a record's existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It exists.
    Live,
    /// There is positive evidence that it was deleted.
    Deleted,
    /// Asked for by id and not shown, without evidence of deletion: hidden is not deleted.
    NotVisible,
}

/// One record as Salesforce showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Id.
    pub id: SalesforceId,
    /// SystemModstamp; absent when there is no image.
    pub modified: Option<Stamp>,
    /// Whether it exists.
    pub state: State,
    /// Winner of the merge that the record lost.
    pub master: Option<SalesforceId>,
    /// Contact that a converted lead became.
    pub converted_contact: Option<SalesforceId>,
    /// Account of a contact, or account that a lead was converted into.
    pub account: Option<SalesforceId>,
    /// Canonical image; empty when there is none.
    pub image: String,
    /// Records of other objects that this one needs and that no scan may bring.
    pub parents: Vec<Parent>,
}

/// A record of another object, and its stamp if the child's row showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// What it is.
    pub object: domain::Object,
    /// Its id.
    pub id: SalesforceId,
    /// Its SystemModstamp; absent when the row could not show it.
    pub modified: Option<Stamp>,
}

impl Record {
    /// A record without an image: gone, or not shown.
    #[must_use]
    pub fn without_image(id: SalesforceId, state: State) -> Self {
        Self {
            id,
            modified: None,
            state,
            master: None,
            converted_contact: None,
            account: None,
            image: String::new(),
            parents: Vec::new(),
        }
    }

    /// Returns a fingerprint of everything that travels: equal records need no second message.
    #[must_use]
    pub fn fingerprint(&self, field_list_version: i64) -> u128 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&field_list_version.to_le_bytes());
        hash.update(&[self.state as u8]);
        hash.update(&self.modified.map_or(0, Stamp::as_millis).to_le_bytes());
        for id in [&self.master, &self.converted_contact, &self.account] {
            hash.update(id.as_ref().map_or("", |id| id.as_str()).as_bytes());
            hash.update(b"|");
        }
        hash.update(self.image.as_bytes());
        hash.digest128()
    }
}

impl From<State> for wire::SourceState {
    fn from(state: State) -> Self {
        match state {
            State::Live => Self::Live,
            State::Deleted => Self::Deleted,
            State::NotVisible => Self::NotVisible,
        }
    }
}

impl From<Record> for wire::RawRecord {
    fn from(record: Record) -> Self {
        let text = |id: Option<SalesforceId>| id.map(String::from).unwrap_or_default();
        Self {
            id: record.id.into(),
            modified_ms: record.modified.map_or(0, Stamp::as_millis),
            state: wire::SourceState::from(record.state).into(),
            master_record_id: text(record.master),
            converted_contact_id: text(record.converted_contact),
            account_id: text(record.account),
            image: record.image,
        }
    }
}

/// A record that can't be taken further. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its id; absent when the id itself is unusable.
    pub id: Option<SalesforceId>,
    /// Stable code.
    pub code: &'static str,
    /// Field concerned; may be empty.
    pub field: String,
}

impl From<Fault> for wire::RecordFault {
    fn from(fault: Fault) -> Self {
        Self {
            id: fault.id.map(String::from).unwrap_or_default(),
            code: fault.code.to_owned(),
            field: fault.field,
            ..Self::default()
        }
    }
}

/// The records of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Those that can be taken further, in the order of the answer.
    pub records: Vec<Record>,
    /// Those that can't.
    pub faults: Vec<Fault>,
}

impl Records {
    /// Returns how many rows the answer held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.faults.len()
    }

    /// Whether the answer held none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds another answer's.
    pub fn extend(&mut self, other: Self) {
        self.records.extend(other.records);
        self.faults.extend(other.faults);
    }
}

/// The answer as a whole can't be believed: nothing of it is taken, it is read again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerInvalid {
    /// Not the JSON that a page is.
    #[error("a page is not the JSON that it should be")]
    Page,
    /// Not the CSV that a bulk result is.
    #[error("a bulk result is not the CSV that it should be")]
    Csv,
    /// More records or bytes than Salesforce ever sends.
    #[error("an answer is larger than any page may be")]
    TooLarge,
    /// The next page would be on another host.
    #[error("the link to the next page leads to another host")]
    NextUrl,
    /// Another number of rows than announced.
    #[error("a bulk result holds another number of rows than announced")]
    RowCount,
    /// The body ended early or does not unpack.
    #[error("an answer is cut or does not unpack")]
    Cut,
}

impl AnswerInvalid {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Page => "page_invalid",
            Self::Csv => "csv_invalid",
            Self::TooLarge => "page_too_large",
            Self::NextUrl => "next_url_not_allowed",
            Self::RowCount => "row_count_mismatch",
            Self::Cut => "answer_cut",
        }
    }
}

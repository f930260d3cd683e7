//! What Lane must hold, folded from the store itself and from nothing of the product.

mod fold;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::Id;

pub(crate) use fold::answer;

/// Lane field → Salesforce path.
pub type Paths = BTreeMap<String, String>;
/// Raw picklist value → the workspace's option; `None` means ignore.
pub type Options = BTreeMap<String, Option<String>>;

/// A workspace's mapping, as far as it decides what Lane must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// The org; the first when absent.
    pub org: Option<Id>,
    /// The replication start date; everything when empty.
    pub start: String,
    /// The field mapping of accounts.
    pub accounts: Paths,
    /// The field mapping of contacts and leads.
    pub contacts: Paths,
    /// Where a lead has a contact's field under another name; `None`: leads do not feed it.
    pub leads_equivalents: BTreeMap<String, Option<String>>,
    /// Per kind (`account`, `contact`) and Lane field: the value mapping. A field that stands here is an option.
    pub values: BTreeMap<String, BTreeMap<String, Options>>,
    /// Per kind and Lane field: what the field is, where the built-in catalogue does not say.
    pub kinds: BTreeMap<String, BTreeMap<String, LaneKind>>,
    /// The objects that are read; all three when empty.
    pub objects: Vec<String>,
}

/// What a Lane field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// Text, a link.
    Text,
    /// A decimal.
    Number,
    /// A decimal with a currency.
    Money,
    /// A date.
    Date,
    /// Yes or no.
    Boolean,
    /// One of the workspace's options.
    Option,
}

/// What a Lane field must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneValue {
    /// Null in Salesforce, or nothing there for this object.
    Empty,
    /// Text as it stands, NUL characters left out.
    Text(String),
    /// A plain decimal: no exponent, no trailing zeros.
    Number(String),
    /// A plain decimal and an ISO code.
    Money {
        /// The amount.
        amount: String,
        /// The currency.
        currency: String,
    },
    /// `2026-08-02`.
    Date(String),
    /// `2026-08-02T10:11:12.000+0000`.
    Moment(String),
    /// Yes or no.
    Boolean(bool),
    /// The option that the value mapping names.
    Option(String),
    /// No option was set: the value is mapped to "ignore".
    Ignored(String),
    /// No option was set: the value has no mapping; whatever Lane held stays.
    Unmapped(String),
}

/// How a record must stand in Lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A customer or a person.
    Live,
    /// A tombstone.
    Deleted,
    /// An alias of the winner.
    Merged,
    /// An alias of the contact it became.
    Converted,
}

/// Why a record is in Lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Its stamp lies at or after the start date.
    Stamp,
    /// A live contact that is in Lane belongs to it.
    ParentOfContact,
    /// A converted lead that is in Lane became it, or went to it.
    ConversionTarget,
}

/// One record that must be in Lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Account, Contact or Lead.
    pub object: String,
    /// Its id.
    pub id: Id,
    /// How it stands.
    pub state: State,
    /// Why it is there.
    pub because: Because,
    /// The winner of a merge, the contact of a conversion.
    pub target_id: Option<Id>,
    /// The account of a contact or of a converted lead.
    pub account_id: Option<Id>,
    /// Its stamp.
    pub stamp: String,
    /// Its mapped fields.
    pub fields: BTreeMap<String, LaneValue>,
}

/// Records of one object by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Live ones.
    pub live: usize,
    /// Tombstones.
    pub deleted: usize,
    /// Merged ones.
    pub merged: usize,
    /// Converted ones.
    pub converted: usize,
}

/// A picklist value without a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// `account` or `contact`.
    pub kind: String,
    /// The Lane field.
    pub field: String,
    /// The raw value.
    pub value: String,
    /// Live records that carry it.
    pub records: usize,
    /// Whether describe lists it as active, on either object of the kind.
    pub active: bool,
}

/// A record of which only the delete log is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// The object.
    pub object: String,
    /// The id.
    pub id: Id,
    /// When.
    pub at: String,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Every record, by object and id.
    pub records: Vec<Expected>,
    /// Per object.
    pub counts: BTreeMap<String, Counts>,
    /// The open values, by kind, field and value.
    pub unmapped: Vec<Unmapped>,
    /// What a connector that held them must now hold as tombstones.
    pub purged: Vec<Purged>,
}

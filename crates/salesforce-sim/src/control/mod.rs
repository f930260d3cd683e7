//! What a test may do to the world, in process or by `POST /sim/<op>`.

mod admin;
mod obey;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::fault::FaultRule;
use crate::id::Id;
use crate::lifecycle::Conversion;
use crate::moment::parse_datetime;
use crate::oauth::AppSpec;
use crate::oracle::Question;
use crate::org::{Org, OrgSpec};
use crate::refusal::Refusal;
use crate::seed::Seed;

/// One order. Over HTTP the tag `op` is the path: `POST /sim/update` with the other fields as JSON.
///
/// `org` may be left out everywhere: it means the first org.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields of an order say what they are; the README lists them")]
pub enum Command {
    /// Makes an org; answers its id.
    CreateOrg { spec: OrgSpec },
    /// Lists the orgs.
    Orgs,
    /// Fills an org.
    Seed { org: Option<Id>, seed: Seed },
    /// Creates a record; answers its id. `Id` and audit fields may be given.
    Create {
        org: Option<Id>,
        object: String,
        fields: Map<String, Json>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Changes a record.
    Update {
        org: Option<Id>,
        id: Id,
        fields: Map<String, Json>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Changes fields without moving the stamp: formulas, parents' names.
    UpdateQuietly { org: Option<Id>, id: Id, fields: Map<String, Json> },
    /// Shows text in a field of another type, as a field does whose type was changed between describe and query; no
    /// stamp moves.
    Mistype { org: Option<Id>, id: Id, field: String, text: String },
    /// To the bin, with the children that go along.
    Delete {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Back from the bin.
    Undelete {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Gone for good; only getDeleted still lists it.
    Purge {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        at: Option<String>,
    },
    /// Merges losers into a master.
    Merge {
        org: Option<Id>,
        master: Id,
        losers: Vec<Id>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Converts a lead.
    ConvertLead {
        org: Option<Id>,
        lead: Id,
        #[serde(default)]
        how: Conversion,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Puts a record on a stamp.
    SetStamp { org: Option<Id>, id: Id, stamp: String },
    /// Changes many records on one stamp: the first `limit` live ones of an object.
    MassUpdate {
        org: Option<Id>,
        object: String,
        fields: Map<String, Json>,
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Opens a transaction; what is done in it is stamped now and seen at the commit.
    Begin {
        org: Option<Id>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Adds an order to an open transaction.
    InTransaction { org: Option<Id>, transaction: u64, command: Box<Command> },
    /// Commits a transaction.
    Commit { org: Option<Id>, transaction: u64 },
    /// Field-level security takes a field away, or gives it back.
    HideField {
        org: Option<Id>,
        object: String,
        field: String,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Takes the read permission of an object away, or gives it back.
    HideObject {
        org: Option<Id>,
        object: String,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Sharing takes a record away, or gives it back.
    HideRecord {
        org: Option<Id>,
        id: Id,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Adds a custom field; `kind` as describe names types.
    AddField {
        org: Option<Id>,
        object: String,
        name: String,
        label: String,
        kind: String,
        #[serde(default)]
        values: Vec<String>,
    },
    /// Adds, relabels, activates or deactivates a picklist value.
    PicklistValue {
        org: Option<Id>,
        object: String,
        field: String,
        value: String,
        #[serde(default)]
        label: Option<String>,
        #[serde(default = "yes")]
        active: bool,
    },
    /// Whether describe lists inactive picklist values.
    DescribeInactive { org: Option<Id>, shown: bool },
    /// A record as the store holds it, the bin included.
    Record { org: Option<Id>, id: Id },
    /// Ids of an object in id order: `state` live, deleted or all.
    Ids {
        org: Option<Id>,
        object: String,
        #[serde(default)]
        state: Option<String>,
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Another `instance_url` from the next token answer on.
    InstanceUrl { org: Option<Id>, url: Option<String> },
    /// The host of the next refresh's own org id: a refreshed sandbox has a new one.
    RenewOrgId { org: Option<Id>, new_id: Id },
    /// Ends access tokens; refresh tokens stay.
    ExpireSessions { org: Option<Id> },
    /// An admin revokes every approval.
    RevokeGrants { org: Option<Id> },
    /// Someone approves the app once more with the same user.
    ApproveOnce {
        org: Option<Id>,
        #[serde(default)]
        client_id: Option<String>,
    },
    /// Freezes or unfreezes the integration user.
    UserActive { org: Option<Id>, active: bool },
    /// Registers a connected app, or replaces it by its consumer key.
    SetApp { app: AppSpec },
    /// Every token that is good now: a test that looks for leaks has to know them.
    Tokens,
    /// Rotation of refresh tokens on or off, for every app.
    Rotation { on: bool },
    /// Seconds until an access token dies.
    SessionTimeout { seconds: u32 },
    /// Query locators are lost.
    ExpireCursors { org: Option<Id> },
    /// Where the delete log begins.
    DeletionsFrom { org: Option<Id>, at: Option<String> },
    /// API calls used and allowed.
    ApiUsage {
        org: Option<Id>,
        #[serde(default)]
        used: Option<u64>,
        #[serde(default)]
        max: Option<u64>,
    },
    /// The `Sforce-Limit-Info` value: absent as counted, empty for no header.
    LimitHeader { org: Option<Id>, value: Option<String> },
    /// Moves the clock to `offset_s` seconds from real time.
    ClockOffset { offset_s: i64 },
    /// Stops the clock at a moment.
    ClockFreeze { at: String },
    /// Moves the clock forward.
    ClockAdvance { seconds: i64 },
    /// The server's time.
    Clock,
    /// Adds a fault.
    Fault { rule: FaultRule },
    /// Faults that are still to strike.
    Faults,
    /// Removes every fault.
    ClearFaults,
    /// The counters.
    Stats,
    /// The recorded requests.
    Requests,
    /// Counters and requests back to nothing.
    ResetStats,
    /// Renders every row of a query once and keeps the bytes; `csv` for Bulk results.
    Warm {
        org: Option<Id>,
        soql: String,
        #[serde(default)]
        csv: bool,
        #[serde(default)]
        version: Option<String>,
    },
    /// What Lane must hold.
    Oracle { question: Question },
}

fn yes() -> bool {
    true
}

fn done() -> Result<Json, Refusal> {
    Ok(json!({ "ok": true }))
}

fn moment(text: &str) -> Result<i64, Refusal> {
    parse_datetime(text).ok_or_else(|| Refusal::bad("INVALID_DATE", format!("not a moment: {text}")))
}

fn known_table(org: &Org, object: &str) -> Result<usize, Refusal> {
    org.table(object).ok_or_else(|| Refusal::bad("INVALID_TYPE", format!("no object {object}")))
}

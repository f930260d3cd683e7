//! Value mappings: which picklist value becomes which option, and which values nobody decided yet.

use clap::{Args, Subcommand, ValueEnum};
use contract::common::v1::RecordKind;
use contract::mapper::v1 as wire;
use domain::Kind;
use jiff::Timestamp;
use serde::Serialize;

use crate::argument::{self, Assignment};
use crate::failure::{Exit, Failure};
use crate::preview::Preview;
use crate::session::{Answer, Party, Session, remark};
use crate::table::{Table, counted, or_dash, yes};
use crate::wire::{Money, UNKNOWN, kind_word, moment, object_word, some};

/// Values that are asked for at once.
const PAGE: i32 = 1_000;
/// Decisions that the mapper takes in one call.
const AT_ONCE: usize = 1_000;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List every known value of an option field, open ones first.
    List {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
        /// Lane field id, e.g. tier.
        field: String,
        /// Only values with this text in their API value or label.
        #[arg(long)]
        search: Option<String>,
        /// Only values that were decided so.
        #[arg(long)]
        decision: Option<Verdict>,
    },
    /// Decide values; applies at once to the records that carry them, with no Salesforce call.
    Map(Map),
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("verdicts").required(true).multiple(true)))]
pub(crate) struct Map {
    /// account or contact.
    #[arg(value_parser = argument::kind)]
    kind: Kind,
    /// Lane field id, e.g. tier.
    field: String,
    /// Decisions as 'RAW=option': the Salesforce value, byte-exact, and the option's key.
    #[arg(value_parser = argument::value_assignment, group = "verdicts")]
    decisions: Vec<Assignment>,
    /// Salesforce value that leaves the Lane field as it is; may be given several times.
    #[arg(long, group = "verdicts", allow_hyphen_values = true)]
    ignore: Vec<String>,
    /// Salesforce value that is open again; may be given several times.
    #[arg(long, group = "verdicts", allow_hyphen_values = true)]
    reopen: Vec<String>,
    /// Also map each open value to the option of the same name, whatever its case, spaces and signs.
    #[arg(long, group = "verdicts")]
    match_same_names: bool,
    /// Show what it would do, with exact counts, and change nothing.
    #[arg(long)]
    preview: bool,
    /// Etag of the list that the decisions were made for; without it the newest is taken.
    #[arg(long)]
    etag: Option<String>,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { kind, field, search, decision } => {
            let request = wire::ListValueMappingsRequest {
                search: search.unwrap_or_default(),
                decision: decision.map_or(wire::ValueDecision::Unspecified, wire::ValueDecision::from).into(),
                ..of_field(session, kind, &field)?
            };
            let (values, etag) = every(session, request).await?;
            session.show(&Values { kind: kind.token(), field, values, etag })?;
        }
        Command::Map(map) => session.show(&decide(session, map).await?)?,
    }
    Ok(Exit::Done)
}

pub(crate) async fn unmapped(session: &Session) -> Result<Exit, Failure> {
    let mut request = wire::ListUnmappedValuesRequest {
        workspace_id: session.workspace()?,
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut values: Vec<OpenValue> = Vec::new();
    loop {
        let page = session.ask(Party::Mapper, session.mappings()?.list_unmapped_values(request.clone())).await?;
        values.extend(page.values.into_iter().map(OpenValue::from));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    session.show(&Unmapped { count: values.len(), values })?;
    Ok(Exit::Done)
}

fn of_field(session: &Session, kind: Kind, field: &str) -> Result<wire::ListValueMappingsRequest, Failure> {
    Ok(wire::ListValueMappingsRequest {
        workspace_id: session.workspace()?,
        kind: RecordKind::from(kind) as i32,
        field: field.to_owned(),
        page_size: PAGE,
        ..Default::default()
    })
}

async fn page(
    session: &Session,
    request: wire::ListValueMappingsRequest,
) -> Result<wire::ListValueMappingsResponse, Failure> {
    session.ask(Party::Mapper, session.mappings()?.list_value_mappings(request)).await
}

/// Returns the values of every page, and the etag that they were last read under.
async fn every(
    session: &Session,
    mut request: wire::ListValueMappingsRequest,
) -> Result<(Vec<PicklistValue>, String), Failure> {
    let mut values = Vec::new();
    loop {
        let page = page(session, request.clone()).await?;
        values.extend(page.values.into_iter().map(PicklistValue::from));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok((values, page.etag));
        }
    }
}

async fn decide(session: &Session, map: Map) -> Result<Decided, Failure> {
    let request = wire::ListValueMappingsRequest {
        has_namesake: map.match_same_names,
        page_size: if map.match_same_names { PAGE } else { 1 },
        ..of_field(session, map.kind, &map.field)?
    };
    let known = page(session, request).await?;
    let mut decided = explicit(&map)?;
    if map.match_same_names {
        let named: Vec<_> = decided.iter().map(|decision| decision.value.clone()).collect();
        decided.extend(same_names(&known.values).filter(|match_| !named.contains(&match_.value)));
        if decided.len() > AT_ONCE || !known.next_page_token.is_empty() {
            decided.truncate(AT_ONCE);
            remark("More values are called like an option than one save takes: run it again for the rest.");
        }
    }
    let mut answer = Decided {
        kind: map.kind.token(),
        field: map.field.clone(),
        saved: false,
        preview: None,
        etag: known.etag.clone(),
        mapping_version: None,
        decided,
    };
    // Nothing has a namesake: nothing to save.
    if answer.decided.is_empty() {
        return Ok(answer);
    }
    let request = wire::BatchUpdateValueMappingsRequest {
        workspace_id: session.workspace()?,
        kind: RecordKind::from(map.kind) as i32,
        field: map.field,
        values: answer.decided.iter().map(wire::ValueMapping::from).collect(),
        etag: map.etag.unwrap_or(known.etag),
        validate_only: map.preview,
    };
    let saved = session.ask(Party::Mapper, session.mappings()?.batch_update_value_mappings(request)).await?;
    answer.saved = !map.preview;
    answer.preview = saved.preview.map(Preview::from);
    answer.mapping_version = Some(saved.mapping_version);
    if !saved.etag.is_empty() {
        answer.etag = saved.etag;
    }
    Ok(answer)
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Nobody decided.
    Open,
    /// Mapped to an option.
    Map,
    /// The Lane field stays as it is.
    Ignore,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Map => "map",
            Self::Ignore => "ignore",
        }
    }
}

impl From<Verdict> for wire::ValueDecision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Open => Self::Open,
            Verdict::Map => Self::Map,
            Verdict::Ignore => Self::Ignore,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Decision {
    value: String,
    decision: Verdict,
    /// Only with `map`.
    option: Option<String>,
}

impl From<&Decision> for wire::ValueMapping {
    fn from(decision: &Decision) -> Self {
        Self {
            value: decision.value.clone(),
            decision: wire::ValueDecision::from(decision.decision) as i32,
            option: decision.option.clone().unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// Returns what the command line decides; a value that is decided twice is a mistake.
fn explicit(map: &Map) -> Result<Vec<Decision>, Failure> {
    let mapped = map.decisions.iter().map(|pair| Decision {
        value: pair.name.clone(),
        decision: Verdict::Map,
        option: Some(pair.value.clone()),
    });
    let without_option =
        |verdict| move |value: &String| Decision { value: value.clone(), decision: verdict, option: None };
    let ignored = map.ignore.iter().map(without_option(Verdict::Ignore));
    let reopened = map.reopen.iter().map(without_option(Verdict::Open));
    let decisions: Vec<_> = mapped.chain(ignored).chain(reopened).collect();
    for (position, decision) in decisions.iter().enumerate() {
        if decisions.iter().skip(position + 1).any(|later| later.value == decision.value) {
            return Err(Failure::usage(format!("{:?} is decided twice.", decision.value)));
        }
    }
    Ok(decisions)
}

/// Returns a decision for each open value that the mapper finds a namesake for among the options.
fn same_names(values: &[wire::ValueMapping]) -> impl Iterator<Item = Decision> {
    let is_namesake = |value: &&wire::ValueMapping| {
        value.decision() == wire::ValueDecision::Open && !value.suggested_option.is_empty()
    };
    values.iter().filter(is_namesake).map(|value| Decision {
        value: value.value.clone(),
        decision: Verdict::Map,
        option: Some(value.suggested_option.clone()),
    })
}

/// A picklist value, what becomes of it, and who carries it.
#[derive(Debug, Serialize)]
struct PicklistValue {
    id: Option<String>,
    value: String,
    decision: &'static str,
    option: Option<String>,
    label: Option<String>,
    origins: Vec<&'static str>,
    active: bool,
    record_count: i64,
    first_seen_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
    arr: Vec<Money>,
    lead_record_count: i64,
    customer_count: i64,
    never_used: bool,
    suggested_option: Option<String>,
}

impl From<wire::ValueMapping> for PicklistValue {
    fn from(value: wire::ValueMapping) -> Self {
        let decision = match value.decision() {
            wire::ValueDecision::Open => Verdict::Open.word(),
            wire::ValueDecision::Map => Verdict::Map.word(),
            wire::ValueDecision::Ignore => Verdict::Ignore.word(),
            wire::ValueDecision::Unspecified => UNKNOWN,
        };
        Self {
            decision,
            origins: value.origins.iter().map(|origin| object_word(*origin)).collect(),
            first_seen_at: moment(value.first_seen_time.as_ref()),
            last_seen_at: moment(value.last_seen_time.as_ref()),
            id: some(value.id),
            value: value.value,
            option: some(value.option),
            label: some(value.label),
            active: value.active,
            record_count: value.record_count,
            arr: value.arr.into_iter().map(Money::from).collect(),
            lead_record_count: value.lead_record_count,
            customer_count: value.customer_count,
            never_used: value.never_used,
            suggested_option: some(value.suggested_option),
        }
    }
}

impl PicklistValue {
    fn arr_text(&self) -> String {
        self.arr.iter().map(Money::to_string).collect::<Vec<_>>().join(" + ")
    }
}

#[derive(Debug, Serialize)]
struct Values {
    kind: &'static str,
    field: String,
    values: Vec<PicklistValue>,
    etag: String,
}

impl Answer for Values {
    fn text(&self) -> String {
        let mut table = Table::new(["value", "decision", "option", "records", "active", "from", "last seen", "arr"]);
        for value in &self.values {
            table.row([
                value.value.clone(),
                value.decision.to_owned(),
                or_dash(value.option.as_ref()),
                value.record_count.to_string(),
                yes(value.active),
                value.origins.join(", "),
                or_dash(value.last_seen_at.as_ref()),
                value.arr_text(),
            ]);
        }
        table.text()
    }
}

/// What was decided, or would be.
#[derive(Debug, Serialize)]
struct Decided {
    kind: &'static str,
    field: String,
    saved: bool,
    decided: Vec<Decision>,
    preview: Option<Preview>,
    etag: String,
    mapping_version: Option<i64>,
}

impl Answer for Decided {
    fn text(&self) -> String {
        if self.decided.is_empty() {
            return "no open value has the name of an option".to_owned();
        }
        let mut table = Table::new(["value", "decision", "option"]);
        for decision in &self.decided {
            let option = or_dash(decision.option.as_ref());
            table.row([decision.value.clone(), decision.decision.word().to_owned(), option]);
        }
        let preview = self.preview.as_ref().map(Preview::text);
        [Some(table.text()), preview].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

/// An open value with its place.
#[derive(Debug, Serialize)]
struct OpenValue {
    kind: &'static str,
    field: String,
    #[serde(flatten)]
    value: Option<PicklistValue>,
}

impl From<wire::UnmappedValueEntry> for OpenValue {
    fn from(entry: wire::UnmappedValueEntry) -> Self {
        Self { kind: kind_word(entry.kind), field: entry.field, value: entry.value.map(PicklistValue::from) }
    }
}

#[derive(Debug, Serialize)]
struct Unmapped {
    count: usize,
    values: Vec<OpenValue>,
}

impl Answer for Unmapped {
    fn text(&self) -> String {
        if self.values.is_empty() {
            return "no unmapped values".to_owned();
        }
        let mut table = Table::new(["kind", "field", "value", "records", "active", "from", "first seen", "arr"]);
        for open in &self.values {
            let Some(value) = &open.value else { continue };
            table.row([
                open.kind.to_owned(),
                open.field.clone(),
                value.value.clone(),
                value.record_count.to_string(),
                yes(value.active),
                value.origins.join(", "),
                or_dash(value.first_seen_at.as_ref()),
                value.arr_text(),
            ]);
        }
        format!("{}\n\n{}", table.text(), counted(self.count, "unmapped value"))
    }
}

//! Field mappings: which Salesforce field feeds which Lane field.

mod candidate;
pub(crate) mod record;
mod source;

use clap::{Args, Subcommand};
use contract::common::v1::{FieldType as WireFieldType, RecordKind};
use contract::mapper::v1 as wire;
use domain::{FieldType, Kind, SalesforceId};
use jiff::Timestamp;
use serde::Serialize;

use crate::argument::{self, Assignment};
use crate::failure::{Exit, Failure};
use crate::lane_field::{self, LaneField, LaneFields};
use crate::preview::Preview;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};
use crate::wire::{kind_word, moment, some};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the mapping of a kind (account or contact; contact also maps leads).
    Show {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
    },
    /// Change the mapping of a kind; rows that are not named stay.
    Set(Change),
    /// Show what a change would do, with exact counts, and change nothing.
    Preview {
        #[command(flatten)]
        change: Change,
        /// Show this record before and after instead: its Salesforce id.
        #[arg(long)]
        record: Option<SalesforceId>,
    },
    /// List every value in Lane that a change would overwrite: in fields that nothing feeds today.
    Overwrites(Change),
    /// Suggest Salesforce fields for Lane fields.
    Suggest {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
        /// Save them for the Lane fields that nothing feeds yet.
        #[arg(long)]
        apply: bool,
    },
    /// List Lane's fields of a kind, or with `--salesforce` the Salesforce fields that can feed them.
    Fields {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
        /// List the fields of the Salesforce objects instead.
        #[arg(long)]
        salesforce: bool,
        /// List what can feed this Lane field, and how it fits.
        #[arg(long, value_name = "FIELD", conflicts_with = "salesforce")]
        feeding: Option<String>,
    },
    /// Replace the options of an option field.
    Options {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
        /// Lane field id, e.g. tier.
        field: String,
        /// All options in order, as key=Name.
        #[arg(required = true, value_parser = argument::field_assignment)]
        options: Vec<Assignment>,
    },
    /// Define a custom field.
    CreateField {
        /// account or contact.
        #[arg(value_parser = argument::kind)]
        kind: Kind,
        /// Name for people.
        name: String,
        /// text, url, number, money, option, date or boolean.
        #[arg(long = "type", value_parser = field_type)]
        field_type: FieldType,
        /// An option as key=Name, for option fields; may be given several times.
        #[arg(long = "option", value_parser = argument::field_assignment)]
        options: Vec<Assignment>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Change {
    /// account or contact.
    #[arg(value_parser = argument::kind)]
    kind: Kind,
    /// Rows as lane_field=SalesforceField, e.g. arr=AnnualRevenue or owner_name=Owner.Name.
    #[arg(value_parser = argument::field_assignment, required_unless_present = "unmap")]
    rows: Vec<Assignment>,
    /// Lane field that nothing feeds any more; may be given several times.
    #[arg(long)]
    unmap: Vec<String>,
    /// Etag of the mapping that the change was made for; without it the newest is taken.
    #[arg(long)]
    etag: Option<String>,
}

fn field_type(text: &str) -> Result<FieldType, String> {
    FieldType::from_token(text).ok_or_else(|| {
        let names: Vec<_> = FieldType::ALL.into_iter().map(FieldType::token).collect();
        format!("a type is one of {}", names.join(", "))
    })
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Show { kind } => session.show(&Mapping::from(current(session, kind).await?))?,
        Command::Set(change) => session.show(&apply(session, change, false).await?)?,
        Command::Preview { change, record: None } => session.show(&apply(session, change, true).await?)?,
        Command::Preview { change, record: Some(id) } => {
            let entries = proposed(session, &change).await?;
            session.show(&record::preview(session, &id, entries).await?)?;
        }
        Command::Overwrites(change) => {
            let entries = proposed(session, &change).await?;
            session.show(&record::overwrites(session, change.kind, entries).await?)?;
        }
        Command::Suggest { kind, apply: true } => {
            let existing = current(session, kind).await?;
            let (suggestions, applied) = adopt_suggestions(session, kind, existing).await?;
            session.show(&Suggestions::new(kind, suggestions, applied))?;
        }
        Command::Suggest { kind, apply: false } => {
            session.show(&Suggestions::new(kind, suggest(session, kind).await?, None))?;
        }
        Command::Fields { kind, feeding: Some(field), .. } => {
            session.show(&candidate::list(session, kind, field).await?)?;
        }
        Command::Fields { kind, salesforce: true, .. } => session.show(&source::list(session, kind).await?)?,
        Command::Fields { kind, salesforce: false, .. } => {
            let fields = lane_field::list(session, kind).await?.into_iter().map(LaneField::from).collect();
            session.show(&LaneFields { fields })?;
        }
        Command::Options { kind, field, options } => {
            let request = wire::UpdateOptionsRequest {
                workspace_id: session.workspace()?,
                kind: RecordKind::from(kind) as i32,
                field,
                options: field_options(options),
            };
            let field = session.ask(Party::Mapper, session.mappings()?.update_options(request)).await?;
            session.show(&LaneField::from(field))?;
        }
        Command::CreateField { kind, name, field_type, options } => {
            let field = wire::LaneField {
                kind: RecordKind::from(kind) as i32,
                display_name: name,
                r#type: WireFieldType::from(field_type) as i32,
                options: field_options(options),
                ..wire::LaneField::default()
            };
            let request = wire::CreateCustomFieldRequest { workspace_id: session.workspace()?, field: Some(field) };
            let field = session.ask(Party::Mapper, session.mappings()?.create_custom_field(request)).await?;
            session.show(&LaneField::from(field))?;
        }
    }
    Ok(Exit::Done)
}

fn field_options(options: Vec<Assignment>) -> Vec<wire::FieldOption> {
    let option = |option: Assignment| wire::FieldOption { key: option.name, display_name: option.value };
    options.into_iter().map(option).collect()
}

/// Returns the saved mapping of a kind.
pub(crate) async fn current(session: &Session, kind: Kind) -> Result<wire::FieldMapping, Failure> {
    let request =
        wire::GetFieldMappingRequest { workspace_id: session.workspace()?, kind: RecordKind::from(kind) as i32 };
    session.ask(Party::Mapper, session.mappings()?.get_field_mapping(request)).await
}

/// Saves the suggestions for Lane fields that `existing` does not feed.
///
/// Returns all suggestions, and what was saved: nothing when each suggested field is fed already.
pub(crate) async fn adopt_suggestions(
    session: &Session,
    kind: Kind,
    existing: wire::FieldMapping,
) -> Result<(Vec<wire::FieldSuggestion>, Option<Saved>), Failure> {
    let suggestions = suggest(session, kind).await?;
    let entries = with_suggestions(existing.entries.clone(), &suggestions);
    if entries.len() == existing.entries.len() {
        return Ok((suggestions, None));
    }
    // The etag that was read: a mapping that somebody saved meanwhile is not overwritten.
    let saved = update(session, kind, entries, existing.etag, false).await?;
    Ok((suggestions, Some(saved)))
}

async fn suggest(session: &Session, kind: Kind) -> Result<Vec<wire::FieldSuggestion>, Failure> {
    let request =
        wire::SuggestFieldMappingsRequest { workspace_id: session.workspace()?, kind: RecordKind::from(kind) as i32 };
    Ok(session.ask(Party::Mapper, session.mappings()?.suggest_field_mappings(request)).await?.suggestions)
}

async fn apply(session: &Session, change: Change, validate_only: bool) -> Result<Saved, Failure> {
    let existing = current(session, change.kind).await?;
    let entries = changed(existing.entries, &change.rows, &change.unmap)?;
    update(session, change.kind, entries, change.etag.unwrap_or(existing.etag), validate_only).await
}

/// Returns the whole mapping as it would be after a change.
async fn proposed(session: &Session, change: &Change) -> Result<Vec<wire::FieldMappingEntry>, Failure> {
    changed(current(session, change.kind).await?.entries, &change.rows, &change.unmap)
}

async fn update(
    session: &Session,
    kind: Kind,
    entries: Vec<wire::FieldMappingEntry>,
    etag: String,
    validate_only: bool,
) -> Result<Saved, Failure> {
    let request = wire::UpdateFieldMappingRequest {
        workspace_id: session.workspace()?,
        kind: RecordKind::from(kind) as i32,
        entries,
        etag,
        validate_only,
    };
    let saved = session.ask(Party::Mapper, session.mappings()?.update_field_mapping(request)).await?;
    let missing = || Failure::internal("The mapper answered without a mapping.");
    Ok(Saved {
        saved: !validate_only,
        mapping: saved.mapping.ok_or_else(missing)?.into(),
        preview: saved.preview.map(Preview::from),
    })
}

fn entry(lane_field: &str, salesforce_field: &str) -> wire::FieldMappingEntry {
    wire::FieldMappingEntry {
        lane_field: lane_field.to_owned(),
        salesforce_field: salesforce_field.to_owned(),
        ..wire::FieldMappingEntry::default()
    }
}

/// Returns the rows after the change: named ones replaced or added, unmapped ones gone, all others as they were.
fn changed(
    mut entries: Vec<wire::FieldMappingEntry>,
    rows: &[Assignment],
    unmap: &[String],
) -> Result<Vec<wire::FieldMappingEntry>, Failure> {
    for field in unmap {
        let before = entries.len();
        entries.retain(|entry| entry.lane_field != *field);
        if entries.len() == before {
            return Err(Failure::usage(format!("Nothing feeds {field:?}.")));
        }
    }
    for row in rows {
        match entries.iter_mut().find(|entry| entry.lane_field == row.name) {
            Some(existing) => *existing = entry(&row.name, &row.value),
            None => entries.push(entry(&row.name, &row.value)),
        }
    }
    Ok(entries)
}

fn with_suggestions(
    mut entries: Vec<wire::FieldMappingEntry>,
    suggestions: &[wire::FieldSuggestion],
) -> Vec<wire::FieldMappingEntry> {
    for suggestion in suggestions {
        if entries.iter().all(|entry| entry.lane_field != suggestion.lane_field) {
            entries.push(entry(&suggestion.lane_field, &suggestion.salesforce_field));
        }
    }
    entries
}

/// The mapping of a kind.
#[derive(Debug, Serialize)]
struct Mapping {
    workspace_id: String,
    kind: &'static str,
    entries: Vec<Entry>,
    etag: String,
    mapping_version: i64,
    updated_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Entry {
    lane_field: String,
    salesforce_field: String,
    /// Nothing when leads do not feed the field.
    lead_field: Option<String>,
    fit: Option<String>,
}

impl From<wire::FieldMapping> for Mapping {
    fn from(mapping: wire::FieldMapping) -> Self {
        let entries = mapping.entries.into_iter().map(|entry| Entry {
            lane_field: entry.lane_field,
            salesforce_field: entry.salesforce_field,
            lead_field: some(entry.lead_field),
            fit: some(entry.fit),
        });
        Self {
            kind: kind_word(mapping.kind),
            updated_at: moment(mapping.update_time.as_ref()),
            entries: entries.collect(),
            workspace_id: mapping.workspace_id,
            etag: mapping.etag,
            mapping_version: mapping.mapping_version,
        }
    }
}

impl Answer for Mapping {
    fn text(&self) -> String {
        let mut table = Table::new(["lane field", "salesforce field", "on leads", "type"]);
        for entry in &self.entries {
            let on_leads = or_dash(entry.lead_field.as_ref());
            let fit = entry.fit.clone().unwrap_or_default();
            table.row([entry.lane_field.clone(), entry.salesforce_field.clone(), on_leads, fit]);
        }
        let saved = or_dash(self.updated_at.as_ref());
        format!("{}\n\nversion {}, etag {}, saved {saved}", table.text(), self.mapping_version, self.etag)
    }
}

/// A mapping that was saved, or would be, and what that does.
#[derive(Debug, Serialize)]
pub(crate) struct Saved {
    saved: bool,
    mapping: Mapping,
    preview: Option<Preview>,
}

impl Saved {
    /// Returns the number of mapped Lane fields.
    pub(crate) fn entry_count(&self) -> usize {
        self.mapping.entries.len()
    }
}

impl Answer for Saved {
    fn text(&self) -> String {
        let preview = self.preview.as_ref().map(Preview::text);
        [Some(self.mapping.text()), preview].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

/// Suggestions for a kind.
#[derive(Debug, Serialize)]
struct Suggestions {
    kind: &'static str,
    suggestions: Vec<Suggestion>,
    /// What was saved; nothing without `--apply`, or when each suggested field was fed already.
    applied: Option<Saved>,
}

#[derive(Debug, Serialize)]
struct Suggestion {
    lane_field: String,
    salesforce_field: String,
    reason: String,
}

impl Suggestions {
    fn new(kind: Kind, suggestions: Vec<wire::FieldSuggestion>, applied: Option<Saved>) -> Self {
        let suggestions = suggestions.into_iter().map(|suggestion| Suggestion {
            lane_field: suggestion.lane_field,
            salesforce_field: suggestion.salesforce_field,
            reason: suggestion.reason,
        });
        Self { kind: kind.token(), suggestions: suggestions.collect(), applied }
    }
}

impl Answer for Suggestions {
    fn text(&self) -> String {
        if let Some(applied) = &self.applied {
            return applied.text();
        }
        let mut table = Table::new(["lane field", "salesforce field", "because"]);
        for suggestion in &self.suggestions {
            let Suggestion { lane_field, salesforce_field, reason } = suggestion;
            table.row([lane_field.clone(), salesforce_field.clone(), reason.clone()]);
        }
        table.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(entries: &[wire::FieldMappingEntry]) -> Vec<(&str, &str)> {
        entries.iter().map(|entry| (entry.lane_field.as_str(), entry.salesforce_field.as_str())).collect()
    }

    #[test]
    fn a_change_replaces_adds_and_removes_and_leaves_the_rest() {
        let before = vec![entry("name", "Name"), entry("arr", "AnnualRevenue"), entry("phone", "Phone")];
        let rows = ["arr=ARR__c", "tier=Tier__c"].map(|row| argument::field_assignment(row).unwrap());
        let after = changed(before, &rows, &["phone".to_owned()]).unwrap();
        assert_eq!(pairs(&after), [("name", "Name"), ("arr", "ARR__c"), ("tier", "Tier__c")]);
    }

    #[test]
    fn unmapping_what_nothing_feeds_is_a_mistake() {
        let failure = changed(vec![entry("name", "Name")], &[], &["arr".to_owned()]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn suggestions_fill_gaps_and_replace_nothing() {
        let suggestion = |lane: &str, salesforce: &str| wire::FieldSuggestion {
            lane_field: lane.into(),
            salesforce_field: salesforce.into(),
            reason: String::new(),
        };
        let suggestions = [suggestion("name", "Name"), suggestion("arr", "AnnualRevenue")];
        let after = with_suggestions(vec![entry("arr", "ARR__c")], &suggestions);
        assert_eq!(pairs(&after), [("arr", "ARR__c"), ("name", "Name")]);
    }
}

//! Records that were set aside with a reason, and how to try them once more.

use clap::{Args, Subcommand};
use contract::common::v1::SalesforceObject;
use contract::extractor::v1 as extractor;
use contract::writer::v1 as wire;
use domain::{Object, SalesforceId};
use jiff::Timestamp;
use serde::Serialize;

use crate::argument;
use crate::failure::{Exit, Failure};
use crate::run::Run;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, counted, or_dash};
use crate::wire::{UNKNOWN, moment, object_word, some};

/// How many records one call reads again.
const REFETCH: usize = 10_000;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List parked records, newest first.
    List {
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
        /// Go on where an earlier answer ended.
        #[arg(long, default_value = "", hide_default_value = true)]
        page_token: String,
        #[command(flatten)]
        group: GroupChoice,
    },
    /// Group parked records by reason, object and field, with what to do about each.
    Groups,
    /// Read parked records from Salesforce once more: those named, those of an object, or all.
    Requeue(Requeue),
}

#[derive(Args, Debug)]
pub(crate) struct Requeue {
    /// Only this object: account, contact or lead.
    #[arg(long, value_parser = argument::object)]
    object: Option<Object>,
    /// Only these Salesforce ids.
    #[arg(requires = "object")]
    ids: Vec<SalesforceId>,
    #[command(flatten)]
    group: GroupChoice,
}

/// Names a group as `parked groups` shows it.
#[derive(Args, Debug)]
pub(crate) struct GroupChoice {
    /// Only the group with this reason; needs --group-object.
    #[arg(long = "group-reason", requires = "group_object")]
    group_reason: Option<String>,
    /// Object of the group.
    #[arg(long = "group-object", requires = "group_reason", value_parser = argument::object)]
    group_object: Option<Object>,
    /// Field of the group; empty for groups without one.
    #[arg(long = "group-field", requires = "group_reason", default_value = "", hide_default_value = true)]
    group_field: String,
}

impl GroupChoice {
    fn key(self) -> Option<wire::ParkedGroupKey> {
        let (code, object) = self.group_reason.zip(self.group_object)?;
        Some(wire::ParkedGroupKey { code, object: SalesforceObject::from(object) as i32, field: self.group_field })
    }
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Groups => {
            let request = wire::GroupParkedRecordsRequest { workspace_id: session.workspace()? };
            let answer = session.ask(Party::Writer, session.parked()?.group_parked_records(request)).await?;
            session.show(&Groups { groups: answer.groups.into_iter().map(Group::from).collect() })?;
        }
        Command::List { limit, page_token, group } => {
            let request = wire::ListParkedRecordsRequest {
                workspace_id: session.workspace()?,
                page_size: limit,
                page_token,
                group: group.key(),
            };
            let page = session.ask(Party::Writer, session.parked()?.list_parked_records(request)).await?;
            let records = page.records.into_iter().map(ParkedRecord::from).collect();
            session.show(&Parked { records, next_page_token: some(page.next_page_token) })?;
        }
        Command::Requeue(asked) => session.show(&requeue(session, asked).await?)?,
    }
    Ok(Exit::Done)
}

/// Marks the records, then has each of them read once more. Both steps may be repeated.
async fn requeue(session: &Session, asked: Requeue) -> Result<Requeued, Failure> {
    let request = wire::RequeueParkedRecordsRequest {
        workspace_id: session.workspace()?,
        object: asked.object.map_or(SalesforceObject::Unspecified, SalesforceObject::from) as i32,
        ids: asked.ids.iter().map(|id| id.as_str().to_owned()).collect(),
        group: asked.group.key(),
    };
    let marked = session.ask(Party::Writer, session.parked()?.requeue_parked_records(request)).await?.records;
    let mut runs = Vec::new();
    for (object, ids) in by_object(&marked) {
        for ids in ids.chunks(REFETCH) {
            let request = extractor::RefetchRecordsRequest {
                workspace_id: session.workspace()?,
                object: SalesforceObject::from(object) as i32,
                ids: ids.to_vec(),
            };
            let run = session.ask(Party::Extractor, session.syncs()?.refetch_records(request)).await?;
            runs.push(Run::from(run));
        }
    }
    Ok(Requeued { records: marked.into_iter().map(ParkedRecord::from).collect(), runs })
}

/// Returns the ids of each object, in the order of first loads; a record without a usable id can't be read by it.
fn by_object(records: &[wire::ParkedRecord]) -> Vec<(Object, Vec<String>)> {
    let ids_of = |object: Object| {
        let number = SalesforceObject::from(object) as i32;
        let of_object = records.iter().filter(|record| record.object == number && !record.id.is_empty());
        let mut ids: Vec<_> = of_object.map(|record| record.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        (object, ids)
    };
    Object::ALL.into_iter().map(ids_of).filter(|(_, ids)| !ids.is_empty()).collect()
}

/// A record that was set aside.
#[derive(Debug, Serialize)]
struct ParkedRecord {
    object: &'static str,
    /// Nothing when the record had no usable id.
    id: Option<String>,
    code: String,
    field: Option<String>,
    parked_at: Option<Timestamp>,
    requeued_at: Option<Timestamp>,
    url: Option<String>,
    run_id: Option<String>,
    /// Name of its row in Lane.
    name: Option<String>,
}

impl From<wire::ParkedRecord> for ParkedRecord {
    fn from(record: wire::ParkedRecord) -> Self {
        Self {
            object: object_word(record.object),
            parked_at: moment(record.park_time.as_ref()),
            requeued_at: moment(record.requeue_time.as_ref()),
            id: some(record.id),
            code: record.code,
            field: some(record.field),
            url: some(record.url),
            run_id: some(record.run_id),
            name: some(record.name),
        }
    }
}

fn table(records: &[ParkedRecord]) -> String {
    let mut table = Table::new(["object", "record", "name", "reason", "field", "parked", "asked again"]);
    for record in records {
        table.row([
            record.object.to_owned(),
            or_dash(record.id.as_ref()),
            record.name.clone().unwrap_or_default(),
            record.code.clone(),
            or_dash(record.field.as_ref()),
            or_dash(record.parked_at.as_ref()),
            or_dash(record.requeued_at.as_ref()),
        ]);
    }
    table.text()
}

#[derive(Debug, Serialize)]
struct Parked {
    records: Vec<ParkedRecord>,
    next_page_token: Option<String>,
}

impl Answer for Parked {
    fn text(&self) -> String {
        if self.records.is_empty() {
            return "no parked records".to_owned();
        }
        let more = self.next_page_token.as_ref().map(|token| format!("more: --page-token {token}"));
        [Some(table(&self.records)), more].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

/// Parked records with the same reason.
#[derive(Debug, Serialize)]
struct Group {
    code: String,
    object: &'static str,
    field: Option<String>,
    title: String,
    remedy: String,
    fixer: &'static str,
    count: i64,
    requeued: i64,
    oldest_parked_at: Option<Timestamp>,
    newest_parked_at: Option<Timestamp>,
    samples: Vec<ParkedRecord>,
}

fn fixer_word(number: i32) -> &'static str {
    match wire::Fixer::try_from(number) {
        Ok(wire::Fixer::SalesforceUser) => "salesforce_user",
        Ok(wire::Fixer::SalesforceAdmin) => "salesforce_admin",
        Ok(wire::Fixer::WorkspaceAdmin) => "workspace_admin",
        Ok(wire::Fixer::Support) => "support",
        Ok(wire::Fixer::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::ParkedGroup> for Group {
    fn from(group: wire::ParkedGroup) -> Self {
        let key = group.key.unwrap_or_default();
        Self {
            code: key.code,
            object: object_word(key.object),
            field: some(key.field),
            fixer: fixer_word(group.fixer),
            oldest_parked_at: moment(group.oldest_park_time.as_ref()),
            newest_parked_at: moment(group.newest_park_time.as_ref()),
            title: group.title,
            remedy: group.remedy,
            count: group.count,
            requeued: group.requeued,
            samples: group.samples.into_iter().map(ParkedRecord::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Groups {
    groups: Vec<Group>,
}

impl Answer for Groups {
    fn text(&self) -> String {
        if self.groups.is_empty() {
            return "no parked records".to_owned();
        }
        let mut table = Table::new(["records", "reason", "object", "field", "what", "who", "newest"]);
        for group in &self.groups {
            table.row([
                group.count.to_string(),
                group.code.clone(),
                group.object.to_owned(),
                or_dash(group.field.as_ref()),
                group.title.clone(),
                group.fixer.to_owned(),
                or_dash(group.newest_parked_at.as_ref()),
            ]);
        }
        let remedies = self.groups.iter().map(|group| format!("{}: {}", group.code, group.remedy));
        [table.text(), remedies.collect::<Vec<_>>().join("\n")].join("\n\n")
    }
}

#[derive(Debug, Serialize)]
struct Requeued {
    records: Vec<ParkedRecord>,
    runs: Vec<Run>,
}

impl Answer for Requeued {
    fn text(&self) -> String {
        if self.records.is_empty() {
            return "no parked records to read again".to_owned();
        }
        let runs = self.runs.iter().map(|run| format!("run {} is {}", run.id(), run.phase()));
        let said = format!("{} asked for again", counted(self.records.len(), "record"));
        [table(&self.records), said].into_iter().chain(runs).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_again_per_object_once_and_only_with_an_id() {
        let record = |object: SalesforceObject, id: &str| wire::ParkedRecord {
            object: object as i32,
            id: id.into(),
            ..wire::ParkedRecord::default()
        };
        let records = [
            record(SalesforceObject::Lead, "l1"),
            record(SalesforceObject::Account, "a2"),
            record(SalesforceObject::Account, "a1"),
            record(SalesforceObject::Account, "a2"),
            record(SalesforceObject::Contact, ""),
        ];
        let expected =
            vec![(Object::Account, vec!["a1".to_owned(), "a2".to_owned()]), (Object::Lead, vec!["l1".to_owned()])];
        assert_eq!(by_object(&records), expected);
    }
}

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
use crate::wire::{moment, object_word, some};

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
    },
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
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { limit, page_token } => {
            let request =
                wire::ListParkedRecordsRequest { workspace_id: session.workspace()?, page_size: limit, page_token };
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
        }
    }
}

fn table(records: &[ParkedRecord]) -> String {
    let mut table = Table::new(["object", "record", "reason", "field", "parked", "asked again"]);
    for record in records {
        table.row([
            record.object.to_owned(),
            or_dash(record.id.as_ref()),
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

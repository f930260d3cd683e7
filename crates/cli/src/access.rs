//! What the integration user may read, and what the org's fields hold.

use clap::Args;
use contract::common::v1::SalesforceObject;
use contract::extractor::v1 as wire;
use domain::Object;
use jiff::Timestamp;
use serde::Serialize;

use crate::argument;
use crate::failure::{Exit, Failure};
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash, yes};
use crate::wire::{UNKNOWN, moment, object_word, some};

#[derive(Args, Debug)]
pub(crate) struct Access {
    /// Ask Salesforce even if what is known is young: after permissions were changed.
    #[arg(long)]
    refresh: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Fields {
    /// account, contact or lead.
    #[arg(value_parser = argument::object)]
    object: Object,
    /// Only fields whose name or label contains this text, ignoring case.
    #[arg(long, default_value = "", hide_default_value = true)]
    search: String,
    /// Ask Salesforce even if a sample is kept.
    #[arg(long)]
    refresh: bool,
}

/// Shows what the integration user may read.
pub(crate) async fn access(session: &Session, access: Access) -> Result<Exit, Failure> {
    let request = wire::GetAccessReportRequest { workspace_id: session.workspace()?, refresh: access.refresh };
    let report = session.ask(Party::Extractor, session.access()?.get_access_report(request)).await?;
    session.show(&Report::from(report))?;
    Ok(Exit::Done)
}

/// Shows what the fields of an object hold.
pub(crate) async fn fields(session: &Session, asked: Fields) -> Result<Exit, Failure> {
    let request = wire::SampleFieldsRequest {
        workspace_id: session.workspace()?,
        object: SalesforceObject::from(asked.object) as i32,
        refresh: asked.refresh,
    };
    let samples = session.ask(Party::Extractor, session.access()?.sample_fields(request)).await?;
    let mut samples = Samples::from(samples);
    let wanted = asked.search.to_lowercase();
    samples
        .fields
        .retain(|field| field.path.to_lowercase().contains(&wanted) || field.label.to_lowercase().contains(&wanted));
    session.show(&samples)?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Report {
    username: Option<String>,
    objects: Vec<ObjectAccess>,
    api_calls: i64,
    read_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct ObjectAccess {
    object: &'static str,
    readable: bool,
    reason: Option<String>,
    permission: Option<String>,
    lost: Option<String>,
    visible_records: Option<i64>,
    fields: Vec<FieldAccess>,
}

#[derive(Debug, Serialize)]
struct FieldAccess {
    path: String,
    r#use: &'static str,
    lane_field: Option<String>,
    label: Option<String>,
    readable: bool,
    permission: Option<String>,
    lost: Option<String>,
}

fn use_word(number: i32) -> &'static str {
    match wire::FieldUse::try_from(number) {
        Ok(wire::FieldUse::Mapped) => "mapped",
        Ok(wire::FieldUse::Suggested) => "suggested",
        Ok(wire::FieldUse::Standard) => "standard",
        Ok(wire::FieldUse::Link) => "link",
        Ok(wire::FieldUse::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::AccessReport> for Report {
    fn from(report: wire::AccessReport) -> Self {
        let field = |field: wire::FieldAccess| FieldAccess {
            r#use: use_word(field.r#use),
            path: field.path,
            lane_field: some(field.lane_field),
            label: some(field.label),
            readable: field.readable,
            permission: some(field.permission),
            lost: some(field.lost),
        };
        let objects = report.objects.into_iter().map(|object| ObjectAccess {
            object: object_word(object.object),
            readable: object.readable,
            reason: some(object.reason),
            permission: some(object.permission),
            lost: some(object.lost),
            visible_records: object.visible_records,
            fields: object.fields.into_iter().map(field).collect(),
        });
        Self {
            objects: objects.collect(),
            read_at: moment(report.read_time.as_ref()),
            username: some(report.username),
            api_calls: report.api_calls,
        }
    }
}

impl Answer for Report {
    fn text(&self) -> String {
        let mut objects = Table::new(["object", "can be read", "records"]);
        let mut fields = Table::new(["object", "field", "use", "feeds", "can be read"]);
        let mut wanting = Vec::new();
        for object in &self.objects {
            objects.row([object.object.to_owned(), yes(object.readable), or_dash(object.visible_records.as_ref())]);
            wanting.extend(advice(object.lost.as_ref(), object.permission.as_ref()));
            for field in &object.fields {
                let feeds = or_dash(field.lane_field.as_ref());
                fields.row([
                    object.object.to_owned(),
                    field.path.clone(),
                    field.r#use.to_owned(),
                    feeds,
                    yes(field.readable),
                ]);
                wanting.extend(advice(field.lost.as_ref(), field.permission.as_ref()));
            }
        }
        let user = format!("integration user: {}", or_dash(self.username.as_ref()));
        let cost = format!("{} Salesforce calls", self.api_calls);
        let mut parts = vec![user, objects.text(), fields.text()];
        if !wanting.is_empty() {
            parts.push(wanting.join("\n"));
        }
        parts.push(cost);
        parts.join("\n\n")
    }
}

fn advice(lost: Option<&String>, permission: Option<&String>) -> Option<String> {
    Some(format!("{} {}", lost?, permission?))
}

#[derive(Debug, Serialize)]
struct Samples {
    object: &'static str,
    records: i32,
    fields: Vec<FieldSample>,
    api_calls: i64,
    read_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct FieldSample {
    path: String,
    label: String,
    r#type: String,
    custom: bool,
    /// Nothing when the field was not sampled.
    filled: Option<i32>,
    values: Vec<String>,
}

impl From<wire::FieldSamples> for Samples {
    fn from(samples: wire::FieldSamples) -> Self {
        let field = |sample: wire::FieldSample| {
            let field = sample.field.unwrap_or_default();
            FieldSample {
                path: field.path,
                label: field.label,
                r#type: field.r#type,
                custom: field.custom,
                filled: sample.filled,
                values: sample.values,
            }
        };
        Self {
            object: object_word(samples.object),
            records: samples.records,
            fields: samples.fields.into_iter().map(field).collect(),
            api_calls: samples.api_calls,
            read_at: moment(samples.read_time.as_ref()),
        }
    }
}

impl Answer for Samples {
    fn text(&self) -> String {
        let mut table = Table::new(["field", "label", "type", "filled", "values"]);
        for field in &self.fields {
            let filled =
                field.filled.filter(|_| self.records > 0).map(|filled| format!("{} %", filled * 100 / self.records));
            let values = field.values.join(" | ");
            table.row([
                field.path.clone(),
                field.label.clone(),
                field.r#type.clone(),
                or_dash(filled.as_ref()),
                values,
            ]);
        }
        format!("{}\n\nof the newest {} records", table.text(), self.records)
    }
}

//! What the integration user may read, and what is lost without the rest.

mod words;

use std::collections::BTreeSet;

use contract::auth::v1::GetConnectionRequest;
use contract::common::v1::{RecordKind, SalesforceObject};
use contract::convert::{self, to_wire_time};
use contract::extractor::v1::access_service_server::AccessService;
use contract::extractor::v1::{
    AccessReport, FieldAccess, FieldSamples, FieldUse, GetAccessReportRequest, ObjectAccess, SampleFieldsRequest,
};
use contract::mapper::v1::{FieldMappingEntry, GetFieldMappingRequest, SuggestFieldMappingsRequest};
use domain::catalogue::{standard_fields, usual_source};
use domain::lead::{LeadSource, lead_source};
use domain::{Kind, Object, WorkspaceId};
use tonic::{Request, Response, Status};

use super::sample::Samples;
use super::{books, call_failed, peer_failed, readable};
use crate::describe::{Freshness, Schema};
use crate::reader::Reader;
use crate::record::page::parse_count;
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Session, counting};
use crate::{soql, store};

/// Answers what can be read.
#[derive(Debug)]
pub struct AccessApi {
    pub(super) reader: Reader,
    pub(super) samples: Samples,
}

impl AccessApi {
    /// Answers with a reader's describes.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader, samples: Samples::default() }
    }

    async fn report(&self, request: GetAccessReportRequest) -> Result<AccessReport, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let known = readable(&self.reader, workspace).await?;
        let session = self.reader.sessions.of(&known);
        let freshness = if request.refresh { Freshness::Whole } else { Freshness::Minutes };
        let (seen, api_calls) = counting(async {
            let mut seen = Vec::new();
            for object in Object::ALL {
                seen.push((object, self.look_at(&session, object, freshness).await?));
            }
            Ok::<_, Status>(seen)
        })
        .await;
        self.book(workspace, &session).await?;
        let seen = seen?;
        let wanted = [self.wanted(workspace, Kind::Account).await?, self.wanted(workspace, Kind::Contact).await?];
        let read_at = seen.iter().filter_map(|(_, seen)| seen.schema.as_ref()).map(|schema| schema.read_at).max();
        let objects = seen.into_iter().map(|(object, seen)| {
            let wanted = match object.kind() {
                Kind::Account => &wanted[0],
                Kind::Contact => &wanted[1],
            };
            object_access(object, seen, wanted)
        });
        Ok(AccessReport {
            username: self.username(workspace).await,
            objects: objects.collect(),
            api_calls: i64::try_from(api_calls).unwrap_or(i64::MAX),
            read_time: Some(to_wire_time(read_at.unwrap_or_else(jiff::Timestamp::now))),
        })
    }

    /// Describes an object and counts its records. That it is hidden is an answer, not an error.
    async fn look_at(&self, session: &Session, object: Object, freshness: Freshness) -> Result<Seen, Status> {
        let hidden = |reason: &'static str| Seen { reason, schema: None, records: None };
        let schema = match self.reader.describes.schema(session, object, freshness).await {
            Ok(schema) => schema,
            Err(CallError { verdict: Verdict::PauseObject(_), .. }) => return Ok(hidden("object_not_visible")),
            Err(error) => return Err(call_failed(&error, Some(object))),
        };
        let request = self.reader.client.query_all(&soql::count_live(object));
        let counted = self.reader.client.call(session, &request).await;
        match counted.and_then(|answer| parse_count(&answer.body).map_err(CallError::from)) {
            Ok(records) => Ok(Seen { reason: "", schema: Some(schema), records: Some(records) }),
            Err(CallError { verdict: Verdict::PauseObject(_), .. }) => Ok(hidden("object_not_visible")),
            // Too many to count in the time that Salesforce gives: the rest of the report stands.
            Err(CallError { verdict: Verdict::SplitWindow, .. }) => {
                Ok(Seen { reason: "", schema: Some(schema), records: None })
            }
            Err(error) => Err(call_failed(&error, Some(object))),
        }
    }

    /// Asks the mapper which fields are mapped and which it suggests.
    async fn wanted(&self, workspace: WorkspaceId, kind: Kind) -> Result<Wanted, Status> {
        let (workspace_id, kind) = (workspace.to_string(), i32::from(RecordKind::from(kind)));
        let mut mapper = self.reader.peers.mappings.clone();
        let mapping = mapper
            .get_field_mapping(GetFieldMappingRequest { workspace_id: workspace_id.clone(), kind })
            .await
            .map_err(|status| peer_failed("mapper", &status))?;
        // Suggestions need the describe; where that is refused there is nothing to suggest.
        let suggested = mapper.suggest_field_mappings(SuggestFieldMappingsRequest { workspace_id, kind }).await;
        let suggested = suggested.map(|answer| answer.into_inner().suggestions).unwrap_or_default();
        Ok(Wanted {
            mapped: mapping.into_inner().entries,
            suggested: suggested.into_iter().map(|one| (one.lane_field, one.salesforce_field)).collect(),
        })
    }

    /// Returns the name that the integration user logs in with; empty when auth does not tell.
    async fn username(&self, workspace: WorkspaceId) -> String {
        let request = GetConnectionRequest { workspace_id: workspace.to_string() };
        let connection = self.reader.peers.connections.clone().get_connection(request).await;
        connection.map(|connection| connection.into_inner().salesforce_username).unwrap_or_default()
    }

    /// Books the calls that went out.
    pub(super) async fn book(&self, workspace: WorkspaceId, session: &Session) -> Result<(), Status> {
        let calls = session.take_unsaved_calls();
        if calls > 0 {
            let mut conn = self.reader.pool.acquire().await.map_err(|error| books(error.into()))?;
            store::usage::add(&mut conn, workspace, calls).await.map_err(books)?;
        }
        Ok(())
    }
}

/// What Salesforce said of one object.
struct Seen {
    /// Why it can't be read; empty when it can.
    reason: &'static str,
    schema: Option<Schema>,
    records: Option<u64>,
}

/// What the mapper wants of a kind.
struct Wanted {
    mapped: Vec<FieldMappingEntry>,
    /// Lane field and path on Account or Contact.
    suggested: Vec<(String, String)>,
}

fn object_access(object: Object, seen: Seen, wanted: &Wanted) -> ObjectAccess {
    let readable = seen.reason.is_empty();
    let fields = match &seen.schema {
        Some(schema) => fields(object, schema, wanted),
        None => Vec::new(),
    };
    ObjectAccess {
        object: SalesforceObject::from(object).into(),
        readable,
        reason: seen.reason.to_owned(),
        permission: if readable { String::new() } else { words::object_permission(object) },
        lost: if readable { String::new() } else { words::without_object(object).to_owned() },
        visible_records: seen.records.and_then(|records| i64::try_from(records).ok()),
        fields,
    }
}

/// Returns the fields that matter: mapped, suggested, usual ones, and those that link records.
fn fields(object: Object, schema: &Schema, wanted: &Wanted) -> Vec<FieldAccess> {
    let find = |path: &str| schema.fields.iter().find(|field| field.path.as_str() == path);
    // Contacts and leads share a mapping in the terms of contacts.
    let on_object = |path: &str| match object {
        Object::Account | Object::Contact => Some(path.to_owned()),
        Object::Lead => match lead_source(path, |path| find(path).is_some()) {
            LeadSource::Same => Some(path.to_owned()),
            LeadSource::Renamed(renamed) => Some(renamed.to_owned()),
            LeadSource::Missing => None,
        },
    };
    let access = |path: &str, usage: FieldUse, lane_field: &str| {
        let field = find(path);
        let readable = field.is_some();
        FieldAccess {
            path: path.to_owned(),
            r#use: usage.into(),
            lane_field: lane_field.to_owned(),
            label: field.map(|field| field.label.clone()).unwrap_or_default(),
            readable,
            permission: if readable { String::new() } else { words::field_permission(object, path) },
            lost: if readable { String::new() } else { words::without_field(object, usage, path, lane_field) },
        }
    };
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut all = Vec::new();
    for entry in &wanted.mapped {
        told.insert(&entry.lane_field);
        let path = if object == Object::Lead { &entry.lead_field } else { &entry.salesforce_field };
        if !path.is_empty() {
            all.push(access(path, FieldUse::Mapped, &entry.lane_field));
        }
    }
    for (lane_field, path) in &wanted.suggested {
        if told.insert(lane_field)
            && let Some(path) = on_object(path)
        {
            all.push(access(&path, FieldUse::Suggested, lane_field));
        }
    }
    for field in standard_fields(object.kind()) {
        let usual = usual_source(object.kind(), field.id).filter(|_| told.insert(field.id));
        if let Some(path) = usual.and_then(on_object) {
            all.push(access(&path, FieldUse::Standard, field.id));
        }
    }
    all.extend(links(object).iter().map(|path| access(path, FieldUse::Link, "")));
    all
}

/// Returns the fields that say which records belong together, as far as they can be hidden.
fn links(object: Object) -> &'static [&'static str] {
    match object {
        Object::Account => &[],
        Object::Contact => &["AccountId"],
        Object::Lead => &["ConvertedContactId", "ConvertedAccountId"],
    }
}

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn get_access_report(
        &self,
        request: Request<GetAccessReportRequest>,
    ) -> Result<Response<AccessReport>, Status> {
        Ok(Response::new(self.report(request.into_inner()).await?))
    }

    async fn sample_fields(&self, request: Request<SampleFieldsRequest>) -> Result<Response<FieldSamples>, Status> {
        Ok(Response::new(self.sample(request.into_inner()).await?))
    }
}

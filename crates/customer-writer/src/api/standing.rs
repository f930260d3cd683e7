//! What stands in Lane: for previews of a mapping, and before a disconnect.

use contract::common::v1 as common;
use contract::convert;
use contract::event::v1::LockedField;
use contract::writer::v1::standing_service_server::StandingService;
use contract::writer::v1::{
    DisconnectPreview, FieldValue, ListStandingValuesRequest, ListStandingValuesResponse, PreviewDisconnectRequest,
    StandingRecord,
};
use domain::{FieldId, Value};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{CallError, begin, invalid, page, view};
use crate::column::{Column, bit_of};
use crate::store::row::Row;
use crate::store::standing::{self, Wanted};
use crate::store::workspace::{self, Workspace};

/// Most fields of one question.
const MAX_FIELDS: usize = 200;
/// Most ids of one question.
const MAX_IDS: usize = 1_000;

/// Serves `StandingService`.
#[derive(Clone, Debug)]
pub(crate) struct StandingApi {
    pool: PgPool,
}

impl StandingApi {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn list(&self, request: ListStandingValuesRequest) -> Result<ListStandingValuesResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = convert::object(request.object)?;
        let limit = page::size(request.page_size)?;
        if request.fields.is_empty() || request.fields.len() > MAX_FIELDS {
            return Err(invalid("fields", "must be 1 to 200"));
        }
        if request.ids.len() > MAX_IDS {
            return Err(invalid("ids", "are more than 1000"));
        }
        if request.fields.iter().any(|field| Column::of(object.kind(), field).is_none()) {
            return Err(invalid("fields", "name a field that Lane does not have"));
        }
        let keys = request
            .ids
            .iter()
            .map(|id| convert::salesforce_id("ids", id).map(|id| id.as_str().to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        let is_custom = |field: &&String| field.starts_with(FieldId::CUSTOM_PREFIX);
        let custom: Vec<String> = request.fields.iter().filter(is_custom).cloned().collect();
        let columns = request.fields.iter().fold(0, |mask, field| mask | bit_of(object.kind(), field));
        let wanted = Wanted { object, columns, custom: &custom, keys: &keys, after: &request.after_id, limit };
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let rows = standing::list(&mut transaction, workspace, &wanted).await?;
        let records = rows.iter().map(|row| record(&known, row, &request.fields)).collect();
        Ok(ListStandingValuesResponse { records })
    }

    async fn preview_disconnect(&self, request: PreviewDisconnectRequest) -> Result<DisconnectPreview, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let staying = standing::staying(&mut transaction, workspace).await?;
        let unlocks = known.locks().iter().map(|lock| LockedField {
            kind: common::RecordKind::from(lock.kind).into(),
            field: lock.field.to_string(),
            source: lock.source.clone(),
        });
        Ok(DisconnectPreview {
            customers: staying.customers,
            contacts: staying.contacts,
            unlocks: unlocks.collect(),
            parked: staying.parked,
        })
    }
}

fn record(known: &Workspace, row: &Row, wanted: &[String]) -> StandingRecord {
    let all = view::fields(known, row);
    let name = all.iter().find(|field| field.field == "name").and_then(|field| field.value.clone());
    let name = match name.map(Value::try_from) {
        Some(Ok(Value::Text(name))) => name,
        _ => String::new(),
    };
    let holds = |field: &FieldValue| field.value.is_some() && wanted.contains(&field.field);
    StandingRecord {
        id: row.key.clone(),
        lane_id: row.lane_id.to_string(),
        name,
        fields: all.into_iter().filter(holds).collect(),
    }
}

#[tonic::async_trait]
impl StandingService for StandingApi {
    async fn list_standing_values(
        &self,
        request: Request<ListStandingValuesRequest>,
    ) -> Result<Response<ListStandingValuesResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn preview_disconnect(
        &self,
        request: Request<PreviewDisconnectRequest>,
    ) -> Result<Response<DisconnectPreview>, Status> {
        Ok(Response::new(self.preview_disconnect(request.into_inner()).await?))
    }
}

//! Customers and contacts for Lane's own services.

use std::collections::HashMap;
use std::sync::Arc;

use contract::convert;
use contract::error::{Failure, Reason, Violation};
use contract::event::v1::CustomerChanged;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{
    Contact, CreateContactRequest, CreateCustomerRequest, Customer, EraseRecordRequest, EraseRecordResponse,
    GetContactRequest, GetCustomerRequest, ListContactsRequest, ListContactsResponse, ListCustomerChangesRequest,
    ListCustomerChangesResponse, ListCustomersRequest, ListCustomersResponse, UpdateContactRequest,
    UpdateCustomerRequest,
};
use domain::{Kind, LaneId, Object, WorkspaceId};
use jiff::Timestamp;
use service::grpc::caller;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::check::{self, Edited, Refusal};
use super::erase::Eraser;
use super::{CallError, begin, invalid, not_found, page, view};
use crate::metrics;
use crate::store::applied::{self, Change};
use crate::store::history::Hour;
use crate::store::read::{self, RowName};
use crate::store::row::Row;
use crate::store::workspace::{self, Workspace};
use crate::store::{audit, edit, touched};

/// Serves `CustomerService`.
#[derive(Clone, Debug)]
pub(crate) struct CustomerApi {
    pub(super) pool: PgPool,
    feed: Arc<Notify>,
    eraser: Eraser,
}

impl CustomerApi {
    /// `feed` is told whenever the change feed grew, `orders` when an erase order waits to be passed on.
    pub(crate) fn new(pool: PgPool, feed: Arc<Notify>, orders: Arc<Notify>) -> Self {
        let eraser = Eraser::new(pool.clone(), Arc::clone(&feed), orders);
        Self { pool, feed, eraser }
    }

    async fn find(
        &self,
        kind: Kind,
        workspace_id: &str,
        id: &str,
        key: &str,
    ) -> Result<(WorkspaceId, Workspace, Row, Vec<String>), CallError> {
        let workspace = convert::workspace_id(workspace_id)?;
        let name = row_name(id, key)?;
        let (mut transaction, known) = self.look(workspace).await?;
        let row = read_row(&mut transaction, kind, workspace, &name).await?;
        let mut aliases = aliases(&mut transaction, kind, workspace, std::slice::from_ref(&row)).await?;
        let alias_ids = aliases.remove(&row.lane_id).unwrap_or_default();
        Ok((workspace, known, row, alias_ids))
    }

    async fn create_customer(&self, request: CreateCustomerRequest) -> Result<Customer, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::hold(&mut transaction, workspace).await?.ok_or_else(|| not_found("workspace"))?;
        let image = check::edit(Kind::Account, &known, Edited::New, request.fields, None).map_err(Failure::from)?;
        let id = LaneId::generate();
        edit::as_person(&mut transaction).await?;
        edit::insert_customer(&mut transaction, workspace, id.0, &image).await?;
        edit::as_sync(&mut transaction).await?;
        let bits = touched::bits([
            (image.money.is_some(), touched::ARR),
            (image.texts[4].is_some(), touched::TIER),
            (image.texts[5].is_some(), touched::STATUS),
            (false, touched::ARCHIVED),
        ]);
        let row = read_row(&mut transaction, Kind::Account, workspace, &RowName::Lane(id.0)).await?;
        self.finish(transaction, workspace, id.0, bits).await?;
        Ok(view::customer(workspace, &known, &row, Vec::new()))
    }

    async fn create_contact(&self, request: CreateContactRequest) -> Result<Contact, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::hold(&mut transaction, workspace).await?.ok_or_else(|| not_found("workspace"))?;
        let customer = match request.customer_id.as_str() {
            "" => None,
            text => {
                let id: LaneId = text.parse().map_err(|_| invalid("customer_id", "is not a UUID"))?;
                Some(read_row(&mut transaction, Kind::Account, workspace, &RowName::Lane(id.0)).await?.lane_id)
            }
        };
        let image = check::edit(Kind::Contact, &known, Edited::New, request.fields, None).map_err(Failure::from)?;
        let id = LaneId::generate();
        edit::as_person(&mut transaction).await?;
        edit::insert_contact(&mut transaction, workspace, id.0, customer, &image).await?;
        edit::as_sync(&mut transaction).await?;
        let row = read_row(&mut transaction, Kind::Contact, workspace, &RowName::Lane(id.0)).await?;
        self.finish(transaction, workspace, id.0, 0).await?;
        Ok(view::contact(workspace, &known, &row, Vec::new()))
    }

    /// Changes a row, all or nothing.
    async fn update(
        &self,
        kind: Kind,
        request: Update,
    ) -> Result<(WorkspaceId, Workspace, Row, Vec<String>), CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let id: LaneId = request.id.parse().map_err(|_| invalid("id", "is not a UUID"))?;
        let mut transaction = begin(&self.pool, workspace).await?;
        // Held until the commit: neither a lock nor an alias can come in between.
        let known = workspace::hold(&mut transaction, workspace).await?.ok_or_else(|| not_found(noun(kind)))?;
        let lane = read_row(&mut transaction, kind, workspace, &RowName::Lane(id.0)).await?.lane_id;
        let row = match kind {
            Kind::Account => read::customer_for_edit(&mut transaction, workspace, lane).await?.map(Row::from),
            Kind::Contact => read::contact_for_edit(&mut transaction, workspace, lane).await?.map(Row::from),
        };
        let row = row.ok_or_else(|| not_found(noun(kind)))?;
        if !request.etag.is_empty() && request.etag != row.etag() {
            return Err(Failure::new(Reason::EtagMismatch, "The row was changed meanwhile.").into());
        }
        let edited = match Object::from_token(&row.object) {
            Some(object) if row.is_synced => Edited::Synced(object),
            _ => Edited::Own,
        };
        let image = match check::edit(kind, &known, edited, request.fields, request.mask) {
            Ok(image) => image,
            Err(refusal) => {
                transaction.rollback().await?;
                self.note_refused(workspace, lane, &request.caller, &refusal).await?;
                return Err(Failure::from(refusal).into());
            }
        };
        edit::as_person(&mut transaction).await?;
        let written = match kind {
            Kind::Account => edit::update_customer(&mut transaction, workspace, &row.key, &image).await,
            Kind::Contact => edit::update_contact(&mut transaction, workspace, &row.key, &image).await.map(|()| 0),
        };
        let bits = written.map_err(locked_by_database)?;
        edit::as_sync(&mut transaction).await?;
        let row = read_row(&mut transaction, kind, workspace, &RowName::Lane(lane)).await?;
        let mut aliases = aliases(&mut transaction, kind, workspace, std::slice::from_ref(&row)).await?;
        self.finish(transaction, workspace, lane, bits).await?;
        let alias_ids = aliases.remove(&lane).unwrap_or_default();
        Ok((workspace, known, row, alias_ids))
    }

    /// Counts and logs an edit that locks refuse: which fields, never which values.
    async fn note_refused(
        &self,
        workspace: WorkspaceId,
        lane: Uuid,
        caller: &str,
        refusal: &Refusal,
    ) -> Result<(), CallError> {
        let Refusal::Locked(violations) = refusal else { return Ok(()) };
        for violation in violations {
            metrics::refused(violation.field.clone());
        }
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let detail = format!("{lane}: {}", fields.join(" "));
        let entry =
            audit::Entry { actor: caller, action: "edit", outcome: Reason::FieldLocked.as_str(), detail: &detail };
        let mut transaction = begin(&self.pool, workspace).await?;
        audit::append(&mut transaction, workspace, &entry, Timestamp::now()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Appends to the change feed if there is something to tell, and commits.
    async fn finish(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        workspace: WorkspaceId,
        customer: Uuid,
        bits: i16,
    ) -> Result<(), CallError> {
        let bits = bits & touched::FEED;
        if bits != 0 {
            let change = Change { customer, bits, continued_by: None };
            applied::book(&mut transaction, workspace, &[], &[change], &Hour::default()).await?;
        }
        transaction.commit().await?;
        if bits != 0 {
            self.feed.notify_one();
        }
        Ok(())
    }

    /// Begins a transaction to read in; a workspace that nobody told us of is empty.
    pub(super) async fn look(
        &self,
        workspace: WorkspaceId,
    ) -> Result<(Transaction<'static, Postgres>, Workspace), CallError> {
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        Ok((transaction, known))
    }

    async fn list_changes(
        &self,
        request: ListCustomerChangesRequest,
    ) -> Result<ListCustomerChangesResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let size = page::size(request.page_size)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let entries = read::changes(&mut transaction, workspace, request.after_sequence, size).await?;
        let changes = entries.into_iter().map(|entry| change(workspace, entry)).collect();
        Ok(ListCustomerChangesResponse { changes })
    }
}

/// Returns an entry of the change feed as it travels.
pub(crate) fn change(workspace: WorkspaceId, entry: read::FeedEntry) -> CustomerChanged {
    CustomerChanged {
        workspace_id: workspace.to_string(),
        sequence: entry.sequence,
        customer_id: entry.customer.to_string(),
        fields: entry.fields,
        continued_by: entry.continued_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// What both kinds of updates say.
struct Update {
    workspace_id: String,
    id: String,
    fields: Vec<contract::writer::v1::FieldValue>,
    mask: Option<Vec<String>>,
    etag: String,
    /// The calling service.
    caller: String,
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => "customer",
        Kind::Contact => "contact",
    }
}

pub(super) fn row_name(id: &str, key: &str) -> Result<RowName, CallError> {
    match (id, key) {
        ("", key) => Ok(RowName::Source(convert::salesforce_id("salesforce_id", key)?)),
        (id, "") => Ok(RowName::Lane(id.parse::<LaneId>().map_err(|_| invalid("id", "is not a UUID"))?.0)),
        _ => Err(invalid("id", "and salesforce_id are both set")),
    }
}

async fn read_row(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    name: &RowName,
) -> Result<Row, CallError> {
    let row = match kind {
        Kind::Account => read::customer(conn, workspace, name).await?.map(Row::from),
        Kind::Contact => read::contact(conn, workspace, name).await?.map(Row::from),
    };
    row.ok_or_else(|| not_found(noun(kind)))
}

pub(super) async fn aliases(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    rows: &[Row],
) -> Result<HashMap<Uuid, Vec<String>>, CallError> {
    let lanes: Vec<_> = rows.iter().filter(|row| row.is_synced).map(|row| row.lane_id).collect();
    let mut by_lane: HashMap<Uuid, Vec<String>> = HashMap::new();
    for (lane, key) in read::alias_keys(conn, kind, workspace, &lanes).await? {
        by_lane.entry(lane).or_default().push(key);
    }
    Ok(by_lane)
}

/// The database refuses what the check above it let through: then the check is wrong, and the lock still holds.
fn locked_by_database(error: sqlx::Error) -> CallError {
    let is_lock = error.as_database_error().and_then(|error| error.code()).as_deref() == Some(edit::FIELD_LOCKED);
    if !is_lock {
        return error.into();
    }
    let violation = Violation { field: String::new(), description: "Salesforce feeds it".to_owned() };
    Failure::new(Reason::FieldLocked, "Salesforce feeds one of these fields; nothing was changed.")
        .with_violations([violation])
        .into()
}

#[tonic::async_trait]
impl CustomerService for CustomerApi {
    async fn list_customers(
        &self,
        request: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Ok(Response::new(self.list_customers(request.into_inner()).await?))
    }

    async fn get_customer(&self, request: Request<GetCustomerRequest>) -> Result<Response<Customer>, Status> {
        let GetCustomerRequest { workspace_id, id, salesforce_id } = request.into_inner();
        let (workspace, known, row, aliases) = self.find(Kind::Account, &workspace_id, &id, &salesforce_id).await?;
        Ok(Response::new(view::customer(workspace, &known, &row, aliases)))
    }

    async fn create_customer(&self, request: Request<CreateCustomerRequest>) -> Result<Response<Customer>, Status> {
        Ok(Response::new(self.create_customer(request.into_inner()).await?))
    }

    async fn update_customer(&self, request: Request<UpdateCustomerRequest>) -> Result<Response<Customer>, Status> {
        let caller = caller(request.metadata()).to_owned();
        let UpdateCustomerRequest { workspace_id, id, fields, update_mask, etag } = request.into_inner();
        let update = Update { workspace_id, id, fields, mask: update_mask.map(|mask| mask.paths), etag, caller };
        let (workspace, known, row, aliases) = self.update(Kind::Account, update).await?;
        Ok(Response::new(view::customer(workspace, &known, &row, aliases)))
    }

    async fn list_contacts(
        &self,
        request: Request<ListContactsRequest>,
    ) -> Result<Response<ListContactsResponse>, Status> {
        Ok(Response::new(self.list_contacts(request.into_inner()).await?))
    }

    async fn get_contact(&self, request: Request<GetContactRequest>) -> Result<Response<Contact>, Status> {
        let GetContactRequest { workspace_id, id, salesforce_id } = request.into_inner();
        let (workspace, known, row, aliases) = self.find(Kind::Contact, &workspace_id, &id, &salesforce_id).await?;
        Ok(Response::new(view::contact(workspace, &known, &row, aliases)))
    }

    async fn create_contact(&self, request: Request<CreateContactRequest>) -> Result<Response<Contact>, Status> {
        Ok(Response::new(self.create_contact(request.into_inner()).await?))
    }

    async fn update_contact(&self, request: Request<UpdateContactRequest>) -> Result<Response<Contact>, Status> {
        let caller = caller(request.metadata()).to_owned();
        let UpdateContactRequest { workspace_id, id, fields, update_mask, etag } = request.into_inner();
        let update = Update { workspace_id, id, fields, mask: update_mask.map(|mask| mask.paths), etag, caller };
        let (workspace, known, row, aliases) = self.update(Kind::Contact, update).await?;
        Ok(Response::new(view::contact(workspace, &known, &row, aliases)))
    }

    async fn list_customer_changes(
        &self,
        request: Request<ListCustomerChangesRequest>,
    ) -> Result<Response<ListCustomerChangesResponse>, Status> {
        Ok(Response::new(self.list_changes(request.into_inner()).await?))
    }

    async fn erase_record(
        &self,
        request: Request<EraseRecordRequest>,
    ) -> Result<Response<EraseRecordResponse>, Status> {
        let (metadata, _, order) = request.into_parts();
        Ok(Response::new(self.eraser.erase(order, caller(&metadata)).await?))
    }
}

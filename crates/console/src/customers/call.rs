//! What these pages ask the services.

use contract::common::v1::RecordKind;
use contract::mapper::v1::{FieldOption, FieldStory, GetFieldStoryRequest, LaneField, ListLaneFieldsRequest};
use contract::writer::v1 as writer;
use contract::writer::v1::FieldValue;
use domain::Kind;
use domain::catalogue::{default_options, standard_fields};

use super::row::Row;
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::web::Visit;

/// Rows of a list, and how to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed {
    pub(super) rows: Vec<Row>,
    /// Empty at the end.
    pub(super) next: String,
    /// Only if it was asked for.
    pub(super) total: Option<i64>,
}

/// Returns the row with an id of Lane or of Salesforce.
pub(super) async fn find(visit: &Visit, kind: Kind, id: &str) -> Answer<Row> {
    let workspace_id = visit.workspace();
    let is_lane = uuid::Uuid::try_parse(id).is_ok();
    let (id, salesforce_id) = if is_lane { (id.to_owned(), String::new()) } else { (String::new(), id.to_owned()) };
    let mut customers = visit.peers().customers();
    match kind {
        Kind::Account => {
            let request = writer::GetCustomerRequest { workspace_id, id, salesforce_id };
            ask(Party::Writer, PAGE, customers.get_customer(request)).await.map(Row::from)
        }
        Kind::Contact => {
            let request = writer::GetContactRequest { workspace_id, id, salesforce_id };
            ask(Party::Writer, PAGE, customers.get_contact(request)).await.map(Row::from)
        }
    }
}

/// Returns customers.
pub(super) async fn customers(visit: &Visit, request: writer::ListCustomersRequest) -> Answer<Listed> {
    let request = writer::ListCustomersRequest { workspace_id: visit.workspace(), ..request };
    let listed = ask(Party::Writer, PAGE, visit.peers().customers().list_customers(request)).await?;
    let rows = listed.customers.into_iter().map(Row::from).collect();
    Ok(Listed { rows, next: listed.next_page_token, total: listed.total_size })
}

/// Returns contacts.
pub(super) async fn contacts(visit: &Visit, request: writer::ListContactsRequest) -> Answer<Listed> {
    let request = writer::ListContactsRequest { workspace_id: visit.workspace(), ..request };
    let listed = ask(Party::Writer, PAGE, visit.peers().customers().list_contacts(request)).await?;
    let rows = listed.contacts.into_iter().map(Row::from).collect();
    Ok(Listed { rows, next: listed.next_page_token, total: listed.total_size })
}

/// Changes fields of a row that was read just now; all or nothing.
pub(super) async fn update(visit: &Visit, row: &Row, fields: Vec<FieldValue>, mask: Vec<String>) -> Answer<Row> {
    let (workspace_id, id, etag) = (visit.workspace(), row.id.clone(), row.etag.clone());
    let update_mask = Some(prost_types::FieldMask { paths: mask });
    let mut customers = visit.peers().customers();
    match row.kind {
        Kind::Account => {
            let request = writer::UpdateCustomerRequest { workspace_id, id, fields, update_mask, etag };
            ask(Party::Writer, ACTION, customers.update_customer(request)).await.map(Row::from)
        }
        Kind::Contact => {
            let request = writer::UpdateContactRequest { workspace_id, id, fields, update_mask, etag };
            ask(Party::Writer, ACTION, customers.update_contact(request)).await.map(Row::from)
        }
    }
}

/// Makes a row by hand; `customer_id` is for contacts and may be empty.
pub(super) async fn create(visit: &Visit, kind: Kind, customer_id: &str, fields: Vec<FieldValue>) -> Answer<Row> {
    let workspace_id = visit.workspace();
    let mut customers = visit.peers().customers();
    match kind {
        Kind::Account => {
            let request = writer::CreateCustomerRequest { workspace_id, fields };
            ask(Party::Writer, ACTION, customers.create_customer(request)).await.map(Row::from)
        }
        Kind::Contact => {
            let request = writer::CreateContactRequest { workspace_id, customer_id: customer_id.to_owned(), fields };
            ask(Party::Writer, ACTION, customers.create_contact(request)).await.map(Row::from)
        }
    }
}

/// Returns Lane's fields of a kind. While the mapper is silent those of the catalogue: names and types stay, and the writer
/// decides anyway what holds.
pub(super) async fn fields(visit: &Visit, kind: Kind) -> Vec<LaneField> {
    let request = ListLaneFieldsRequest { workspace_id: visit.workspace(), kind: RecordKind::from(kind).into() };
    match ask(Party::Mapper, PAGE, visit.peers().mappings().list_lane_fields(request)).await {
        Ok(listed) => listed.fields,
        Err(_) => catalogue(kind),
    }
}

/// Returns the standard fields of a kind with the options that a workspace begins with.
pub(super) fn catalogue(kind: Kind) -> Vec<LaneField> {
    let options = |field: &str| {
        let each = default_options(kind, field).iter();
        each.map(|(key, name)| FieldOption { key: (*key).to_owned(), display_name: (*name).to_owned() }).collect()
    };
    let fields = standard_fields(kind).iter().map(|field| LaneField {
        id: field.id.to_owned(),
        kind: RecordKind::from(kind).into(),
        display_name: field.display_name.to_owned(),
        r#type: contract::common::v1::FieldType::from(field.field_type).into(),
        required: field.required,
        options: options(field.id),
    });
    fields.collect()
}

/// Returns why a field of a record is what it is.
pub(super) async fn story(visit: &Visit, salesforce_id: &str, field: &str) -> Answer<FieldStory> {
    let request = GetFieldStoryRequest {
        workspace_id: visit.workspace(),
        salesforce_id: salesforce_id.to_owned(),
        lane_field: field.to_owned(),
    };
    ask(Party::Mapper, PAGE, visit.peers().records().get_field_story(request)).await
}

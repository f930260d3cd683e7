//! Lists of customers and contacts.

use contract::convert;
use contract::writer::v1::{
    ListContactsRequest, ListContactsResponse, ListCustomersRequest, ListCustomersResponse, ListOrder, RecordSource,
    RowFilter,
};
use domain::{Kind, LaneId};
use serde::Serialize;

use super::customers::{CustomerApi, aliases};
use super::{CallError, invalid, page, view};
use crate::column::bit_of;
use crate::store::list::{self, After, Filter, Order, Page};
use crate::store::row::Row;
use crate::store::workspace::Workspace;

/// Most option keys of one filter.
const MAX_OPTIONS: usize = 200;

impl CustomerApi {
    pub(super) async fn list_customers(
        &self,
        request: ListCustomersRequest,
    ) -> Result<ListCustomersResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let wished = request.filter.clone().unwrap_or_default();
        let order = order(request.order)?;
        let arguments =
            ("customers", workspace, &request.search, request.show_archived, request.source, Bound(&wished), order);
        let size = page::size(request.page_size)?;
        let page =
            Page { order, after: page::read(&arguments, &request.page_token)?.unwrap_or_default(), limit: size + 1 };
        let (mut transaction, known) = self.look(workspace).await?;
        let filter = filter(
            &known,
            Kind::Account,
            request.search.clone(),
            request.show_archived,
            request.source,
            wished.clone(),
        )?;
        let listed = list::of_customers(&mut transaction, workspace, &filter, &page, request.count_total).await?;
        let (rows, last) = cut(listed.rows, size);
        let mut aliases = aliases(&mut transaction, Kind::Account, workspace, &rows).await?;
        let customers = rows
            .iter()
            .map(|row| view::customer(workspace, &known, row, aliases.remove(&row.lane_id).unwrap_or_default()))
            .collect();
        let next_page_token = last.map(|last| page::token(&arguments, &last)).unwrap_or_default();
        Ok(ListCustomersResponse { customers, next_page_token, total_size: listed.total })
    }

    pub(super) async fn list_contacts(&self, request: ListContactsRequest) -> Result<ListContactsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let customer = match request.customer_id.as_str() {
            "" => None,
            text => Some(text.parse::<LaneId>().map_err(|_| invalid("customer_id", "is not a UUID"))?),
        };
        let wished = request.filter.clone().unwrap_or_default();
        let order = order(request.order)?;
        if order == Order::Arr {
            return Err(invalid("order", "by ARR is for customers only"));
        }
        let arguments = (
            "contacts",
            workspace,
            &request.search,
            request.show_archived,
            request.source,
            Bound(&wished),
            order,
            customer,
        );
        let size = page::size(request.page_size)?;
        let page =
            Page { order, after: page::read(&arguments, &request.page_token)?.unwrap_or_default(), limit: size + 1 };
        let (mut transaction, known) = self.look(workspace).await?;
        let filter = filter(
            &known,
            Kind::Contact,
            request.search.clone(),
            request.show_archived,
            request.source,
            wished.clone(),
        )?;
        let among = match customer {
            Some(customer) => Some(list::ids_at_customer(&mut transaction, workspace, customer.0).await?),
            None => None,
        };
        let listed =
            list::of_contacts(&mut transaction, workspace, among.as_deref(), &filter, &page, request.count_total)
                .await?;
        let (rows, last) = cut(listed.rows, size);
        let mut aliases = aliases(&mut transaction, Kind::Contact, workspace, &rows).await?;
        let contacts = rows
            .iter()
            .map(|row| view::contact(workspace, &known, row, aliases.remove(&row.lane_id).unwrap_or_default()))
            .collect();
        let next_page_token = last.map(|last| page::token(&arguments, &last)).unwrap_or_default();
        Ok(ListContactsResponse { contacts, next_page_token, total_size: listed.total })
    }
}

/// A filter as part of what a page token is bound to.
struct Bound<'f>(&'f RowFilter);

impl Serialize for Bound<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RowFilter { statuses, tiers, unmapped_only, parked_only, archived_only } = self.0;
        (statuses, tiers, unmapped_only, parked_only, archived_only).serialize(serializer)
    }
}

fn order(number: i32) -> Result<Order, CallError> {
    match ListOrder::try_from(number) {
        Ok(ListOrder::Unspecified | ListOrder::Id) => Ok(Order::Id),
        Ok(ListOrder::Name) => Ok(Order::Name),
        Ok(ListOrder::Arr) => Ok(Order::Arr),
        Ok(ListOrder::Updated) => Ok(Order::Updated),
        Err(_) => Err(invalid("order", "is unknown")),
    }
}

fn filter(
    known: &Workspace,
    kind: Kind,
    search: String,
    show_archived: bool,
    source: i32,
    wished: RowFilter,
) -> Result<Filter, CallError> {
    let source = match RecordSource::try_from(source) {
        Ok(RecordSource::Unspecified) => None,
        Ok(RecordSource::Salesforce) => Some("salesforce"),
        Ok(RecordSource::Lane) => Some("lane"),
        Err(_) => return Err(invalid("source", "is unknown")),
    };
    if wished.statuses.len() > MAX_OPTIONS || wished.tiers.len() > MAX_OPTIONS {
        return Err(invalid("filter", "names more than 200 options"));
    }
    // A mark of a field that no mapping feeds any more says nothing.
    let locked = || known.locks().iter().filter(|lock| lock.kind == kind).map(|lock| lock.field.as_str());
    let unmapped_in = wished.unmapped_only.then(|| {
        let mask = locked().fold(0, |mask, field| mask | bit_of(kind, field));
        (mask, locked().map(str::to_owned).collect())
    });
    Ok(Filter {
        search,
        show_archived,
        archived_only: wished.archived_only,
        source,
        statuses: wished.statuses,
        tiers: wished.tiers,
        unmapped_in,
        parked_only: wished.parked_only,
    })
}

/// Cuts rows to a page; says where it ended if there is more.
fn cut(mut rows: Vec<Row>, size: i64) -> (Vec<Row>, Option<After>) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let has_more = rows.len() > size;
    rows.truncate(size);
    let last = rows.last().filter(|_| has_more).map(After::of);
    (rows, last)
}

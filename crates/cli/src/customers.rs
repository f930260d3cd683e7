//! Customer accounts, and the feed of their changes.

use clap::{Args, Subcommand, ValueEnum};
use contract::writer::v1 as wire;
use domain::Kind;
use serde::Serialize;

use crate::erase::{self, Erase};
use crate::failure::{Exit, Failure};
use crate::row::{Change, Named, New, Row};
use crate::session::{Answer, Party, Session};
use crate::story::{self, Why};
use crate::table::{Table, or_dash};
use crate::wire::some;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List customers.
    List(List),
    /// Show a customer with its fields and who locks them.
    Get {
        /// UUID or Salesforce id.
        #[arg(value_parser = Named::parse)]
        id: Named,
    },
    /// Tell why a field of a customer is what it is: Salesforce field, raw value, when read, by which run.
    Why(Why),
    /// Change fields of a customer; all or nothing.
    Set(Change),
    /// Make a customer by hand; Salesforce never touches it.
    Create(New),
    /// Erase a customer, contact or lead for good, here and where its source values are stored.
    Erase(Erase),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only names that contain this text, ignoring case.
    #[arg(long, default_value = "", hide_default_value = true)]
    search: String,
    /// Also archived ones.
    #[arg(long)]
    archived: bool,
    /// Only from this source.
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
    limit: i32,
    /// Go on where an earlier answer ended.
    #[arg(long, default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    more: Narrowed,
}

/// What listed rows must have, and their order.
#[derive(Args, Debug)]
pub(crate) struct Narrowed {
    /// Only with this status (option key); may be given several times.
    #[arg(long = "status")]
    statuses: Vec<String>,
    /// Only with this tier (option key); may be given several times.
    #[arg(long = "tier")]
    tiers: Vec<String>,
    /// Only with a picklist value without mapping in a locked field.
    #[arg(long)]
    unmapped: bool,
    /// Only with a parked record behind the row.
    #[arg(long)]
    parked: bool,
    /// Only archived ones.
    #[arg(long)]
    archived_only: bool,
    /// Order of the rows.
    #[arg(long, value_enum, default_value_t = Order::Id)]
    order: Order,
    /// Also count every row that passes.
    #[arg(long)]
    count: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By id.
    Id,
    /// By name.
    Name,
    /// Highest ARR first; customers only.
    Arr,
    /// Newest change first.
    Updated,
}

impl Narrowed {
    /// Returns filter, order and whether to count.
    pub(crate) fn into_parts(self) -> (Option<wire::RowFilter>, i32, bool) {
        let order = match self.order {
            Order::Id => wire::ListOrder::Id,
            Order::Name => wire::ListOrder::Name,
            Order::Arr => wire::ListOrder::Arr,
            Order::Updated => wire::ListOrder::Updated,
        };
        let filter = wire::RowFilter {
            statuses: self.statuses,
            tiers: self.tiers,
            unmapped_only: self.unmapped,
            parked_only: self.parked,
            archived_only: self.archived_only,
        };
        (Some(filter), order as i32, self.count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    /// Synced.
    Salesforce,
    /// Made by hand.
    Lane,
}

impl From<Source> for wire::RecordSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Salesforce => Self::Salesforce,
            Source::Lane => Self::Lane,
        }
    }
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(list) => session.show(&page(session, list).await?)?,
        Command::Get { id } => session.show(&Customer::from(find(session, id).await?))?,
        Command::Why(why) => {
            let salesforce_id = match why.id.clone() {
                Named::Salesforce(id) => id.as_str().to_owned(),
                by_id @ Named::Lane(_) => find(session, by_id).await?.salesforce.ok_or_else(story::made_by_hand)?.id,
            };
            return story::tell(session, salesforce_id, why).await;
        }
        Command::Set(change) => {
            let fields = change.values(session, Kind::Account).await?;
            let update_mask = Some(change.mask());
            let id = match change.id {
                Named::Lane(id) => id.to_string(),
                by_record @ Named::Salesforce(_) => find(session, by_record).await?.id,
            };
            let workspace_id = session.workspace()?;
            let request = wire::UpdateCustomerRequest { workspace_id, id, fields, update_mask, etag: change.etag };
            let updated = session.ask(Party::Writer, session.customers()?.update_customer(request)).await?;
            session.show(&Customer::from(updated))?;
        }
        Command::Create(new) => {
            let fields = new.values(session, Kind::Account).await?;
            let request = wire::CreateCustomerRequest { workspace_id: session.workspace()?, fields };
            let created = session.ask(Party::Writer, session.customers()?.create_customer(request)).await?;
            session.show(&Customer::from(created))?;
        }
        Command::Erase(order) => return erase::run(session, order).await,
    }
    Ok(Exit::Done)
}

async fn find(session: &Session, named: Named) -> Result<wire::Customer, Failure> {
    let (id, salesforce_id) = named.into_parts();
    let request = wire::GetCustomerRequest { workspace_id: session.workspace()?, id, salesforce_id };
    session.ask(Party::Writer, session.customers()?.get_customer(request)).await
}

async fn page(session: &Session, list: List) -> Result<Customers, Failure> {
    let source = list.source.map_or(wire::RecordSource::Unspecified, wire::RecordSource::from);
    let (filter, order, count_total) = list.more.into_parts();
    let request = wire::ListCustomersRequest {
        workspace_id: session.workspace()?,
        page_size: list.limit,
        page_token: list.page_token,
        search: list.search,
        show_archived: list.archived,
        source: source as i32,
        filter,
        order,
        count_total,
    };
    let page = session.ask(Party::Writer, session.customers()?.list_customers(request)).await?;
    let customers = page.customers.into_iter().map(Customer::from).collect();
    Ok(Customers { customers, next_page_token: some(page.next_page_token), total_size: page.total_size })
}

/// A customer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Customer {
    row: Row,
}

impl From<wire::Customer> for Customer {
    fn from(customer: wire::Customer) -> Self {
        Self { row: customer.into() }
    }
}

impl Answer for Customer {
    fn text(&self) -> String {
        self.row.text("customer")
    }
}

#[derive(Debug, Serialize)]
struct Customers {
    customers: Vec<Customer>,
    next_page_token: Option<String>,
    /// Only with --count.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_size: Option<i64>,
}

impl Answer for Customers {
    fn text(&self) -> String {
        let mut table = Table::new(["customer", "name", "arr", "tier", "status", "from"]);
        for Customer { row } in &self.customers {
            let [name, arr, tier, status] = ["name", "arr", "tier", "status"].map(|field| row.cell(field));
            table.row([row.id.clone(), name, arr, tier, status, row.origin()]);
        }
        let more = self.next_page_token.as_ref().map(|token| format!("more: --page-token {token}"));
        let total = self.total_size.map(|total| format!("{total} in all"));
        [Some(table.text()), total, more].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

#[derive(Args, Debug)]
pub(crate) struct Changes {
    /// Only changes after this position.
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
    limit: i32,
}

/// Shows changes of ARR, tier, status and identity.
pub(crate) async fn changes(session: &Session, changes: Changes) -> Result<Exit, Failure> {
    let request = wire::ListCustomerChangesRequest {
        workspace_id: session.workspace()?,
        after_sequence: changes.after,
        page_size: changes.limit,
    };
    let page = session.ask(Party::Writer, session.customers()?.list_customer_changes(request)).await?;
    let changes: Vec<_> = page.changes.into_iter().map(FeedEntry::from).collect();
    session.show(&Feed { changes })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Feed {
    changes: Vec<FeedEntry>,
}

#[derive(Debug, Serialize)]
struct FeedEntry {
    sequence: i64,
    customer_id: String,
    fields: Vec<String>,
    /// The id that continues, when this one became an alias.
    continued_by: Option<String>,
}

impl From<contract::event::v1::CustomerChanged> for FeedEntry {
    fn from(change: contract::event::v1::CustomerChanged) -> Self {
        Self {
            sequence: change.sequence,
            customer_id: change.customer_id,
            fields: change.fields,
            continued_by: some(change.continued_by),
        }
    }
}

impl Answer for Feed {
    fn text(&self) -> String {
        let mut table = Table::new(["position", "customer", "changed", "continued by"]);
        for change in &self.changes {
            let continued_by = or_dash(change.continued_by.as_ref());
            table.row([
                change.sequence.to_string(),
                change.customer_id.clone(),
                change.fields.join(", "),
                continued_by,
            ]);
        }
        table.text()
    }
}

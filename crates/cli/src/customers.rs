//! Customer accounts, and the feed of their changes.

use clap::{Args, Subcommand, ValueEnum};
use contract::writer::v1 as wire;
use domain::Kind;
use serde::Serialize;

use crate::erase::{self, Erase};
use crate::failure::{Exit, Failure};
use crate::row::{Change, Named, New, Row};
use crate::session::{Answer, Party, Session};
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
    let request = wire::ListCustomersRequest {
        workspace_id: session.workspace()?,
        page_size: list.limit,
        page_token: list.page_token,
        search: list.search,
        show_archived: list.archived,
        source: source as i32,
    };
    let page = session.ask(Party::Writer, session.customers()?.list_customers(request)).await?;
    let customers = page.customers.into_iter().map(Customer::from).collect();
    Ok(Customers { customers, next_page_token: some(page.next_page_token) })
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
}

impl Answer for Customers {
    fn text(&self) -> String {
        let mut table = Table::new(["customer", "name", "arr", "tier", "status", "from"]);
        for Customer { row } in &self.customers {
            let [name, arr, tier, status] = ["name", "arr", "tier", "status"].map(|field| row.cell(field));
            table.row([row.id.clone(), name, arr, tier, status, row.origin()]);
        }
        let more = self.next_page_token.as_ref().map(|token| format!("more: --page-token {token}"));
        [Some(table.text()), more].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
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

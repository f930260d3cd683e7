//! Contacts: the people at customer accounts.

use clap::{Args, Subcommand};
use contract::writer::v1 as wire;
use domain::{Kind, LaneId};
use serde::Serialize;

use crate::customers::Narrowed;
use crate::failure::{Exit, Failure};
use crate::row::{Change, Named, New, Row};
use crate::session::{Answer, Party, Session};
use crate::story::{self, Why};
use crate::table::{Table, or_dash};
use crate::wire::some;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List contacts.
    List(List),
    /// Show a contact with its fields and who locks them.
    Get {
        /// UUID or Salesforce id of a contact or lead.
        #[arg(value_parser = Named::parse)]
        id: Named,
    },
    /// Tell why a field of a contact is what it is: Salesforce field, raw value, when read, by which run.
    Why(Why),
    /// Change fields of a contact; all or nothing.
    Set(Change),
    /// Make a contact by hand; Salesforce never touches it.
    Create {
        /// UUID of the customer that the contact belongs to.
        #[arg(long)]
        customer: Option<LaneId>,
        #[command(flatten)]
        new: New,
    },
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only of this customer (UUID).
    #[arg(long)]
    customer: Option<LaneId>,
    /// Only names that contain this text, ignoring case.
    #[arg(long, default_value = "", hide_default_value = true)]
    search: String,
    /// Also archived ones.
    #[arg(long)]
    archived: bool,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
    limit: i32,
    /// Go on where an earlier answer ended.
    #[arg(long, default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    more: Narrowed,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(list) => session.show(&page(session, list).await?)?,
        Command::Get { id } => session.show(&Contact::from(find(session, id).await?))?,
        Command::Why(why) => {
            let salesforce_id = match why.id.clone() {
                Named::Salesforce(id) => id.as_str().to_owned(),
                by_id @ Named::Lane(_) => find(session, by_id).await?.salesforce.ok_or_else(story::made_by_hand)?.id,
            };
            return story::tell(session, salesforce_id, why).await;
        }
        Command::Set(change) => {
            let fields = change.values(session, Kind::Contact).await?;
            let update_mask = Some(change.mask());
            let id = match change.id {
                Named::Lane(id) => id.to_string(),
                by_record @ Named::Salesforce(_) => find(session, by_record).await?.id,
            };
            let workspace_id = session.workspace()?;
            let request = wire::UpdateContactRequest { workspace_id, id, fields, update_mask, etag: change.etag };
            let updated = session.ask(Party::Writer, session.customers()?.update_contact(request)).await?;
            session.show(&Contact::from(updated))?;
        }
        Command::Create { customer, new } => {
            let fields = new.values(session, Kind::Contact).await?;
            let customer_id = customer.map(|id| id.to_string()).unwrap_or_default();
            let request = wire::CreateContactRequest { workspace_id: session.workspace()?, customer_id, fields };
            let created = session.ask(Party::Writer, session.customers()?.create_contact(request)).await?;
            session.show(&Contact::from(created))?;
        }
    }
    Ok(Exit::Done)
}

async fn find(session: &Session, named: Named) -> Result<wire::Contact, Failure> {
    let (id, salesforce_id) = named.into_parts();
    let request = wire::GetContactRequest { workspace_id: session.workspace()?, id, salesforce_id };
    session.ask(Party::Writer, session.customers()?.get_contact(request)).await
}

async fn page(session: &Session, list: List) -> Result<Contacts, Failure> {
    let (filter, order, count_total) = list.more.into_parts();
    let request = wire::ListContactsRequest {
        workspace_id: session.workspace()?,
        page_size: list.limit,
        page_token: list.page_token,
        customer_id: list.customer.map(|id| id.to_string()).unwrap_or_default(),
        search: list.search,
        show_archived: list.archived,
        source: wire::RecordSource::Unspecified as i32,
        filter,
        order,
        count_total,
    };
    let page = session.ask(Party::Writer, session.customers()?.list_contacts(request)).await?;
    let contacts = page.contacts.into_iter().map(Contact::from).collect();
    Ok(Contacts { contacts, next_page_token: some(page.next_page_token), total_size: page.total_size })
}

/// A contact.
#[derive(Debug, Serialize)]
struct Contact {
    /// Nothing when it has none, or when its account has not arrived yet.
    customer_id: Option<String>,
    #[serde(flatten)]
    row: Row,
}

impl From<wire::Contact> for Contact {
    fn from(mut contact: wire::Contact) -> Self {
        Self { customer_id: some(std::mem::take(&mut contact.customer_id)), row: contact.into() }
    }
}

impl Answer for Contact {
    fn text(&self) -> String {
        format!("customer: {}\n{}", or_dash(self.customer_id.as_ref()), self.row.text("contact"))
    }
}

#[derive(Debug, Serialize)]
struct Contacts {
    contacts: Vec<Contact>,
    next_page_token: Option<String>,
    /// Only with --count.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_size: Option<i64>,
}

impl Answer for Contacts {
    fn text(&self) -> String {
        let mut table = Table::new(["contact", "name", "email", "title", "customer", "from"]);
        for Contact { row, customer_id } in &self.contacts {
            let [name, email, title] = ["name", "email", "title"].map(|field| row.cell(field));
            table.row([row.id.clone(), name, email, title, or_dash(customer_id.as_ref()), row.origin()]);
        }
        let more = self.next_page_token.as_ref().map(|token| format!("more: --page-token {token}"));
        let total = self.total_size.map(|total| format!("{total} in all"));
        [Some(table.text()), total, more].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

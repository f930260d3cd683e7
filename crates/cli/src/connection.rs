//! The workspace's connection to its Salesforce org.

mod authorize;

use clap::{Args, Subcommand, ValueEnum};
use contract::auth::v1 as wire;
use contract::convert::to_wire_time;
use contract::writer::v1 as writer;
use jiff::Timestamp;
use serde::Serialize;

use crate::argument::{self, StartDate};
use crate::failure::{Exit, Failure};
use crate::first_sync::{self, FirstSync};
use crate::session::{Answer, Party, Session, remark};
use crate::table::{Table, or_dash, printable, yes};
use crate::wire::{UNKNOWN, kind_word, moment, some};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the connection.
    Show,
}

#[derive(Args, Debug)]
pub(crate) struct Connect {
    /// Take in records from this date on: a date, a moment, or `all`.
    #[arg(long, value_parser = argument::start_date)]
    start_date: StartDate,
    /// `production`, `sandbox`, or a My Domain host such as acme.my.salesforce.com.
    #[arg(long, default_value = "production")]
    environment: String,
    /// How to get Salesforce's consent.
    #[arg(long, value_enum, default_value_t = Flow::Web)]
    flow: Flow,
    /// Who connects, for people to read later.
    #[arg(long, env = "USER", hide_env_values = true, default_value = "lanesync")]
    actor: String,
    /// Confirm that a different org than before is meant: what came from the old org is removed.
    #[arg(long)]
    confirm_org_switch: bool,
    /// Only connect: save no suggested mapping and start no sync.
    #[arg(long)]
    no_sync: bool,
}

/// How Salesforce's consent is got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flow {
    /// A person signs in with a browser.
    Web,
    /// Nobody: the app has a user of its own. Needs a My Domain host.
    ClientCredentials,
}

#[derive(Args, Debug)]
pub(crate) struct Disconnect {
    /// Also remove the customers and contacts that came from Salesforce.
    #[arg(long)]
    purge: bool,
    /// Show what a disconnect would leave, and change nothing.
    #[arg(long)]
    preview: bool,
    /// Confirm.
    #[arg(long, required_unless_present = "preview")]
    yes: bool,
    /// Who disconnects.
    #[arg(long, env = "USER", hide_env_values = true, default_value = "lanesync")]
    actor: String,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let Command::Show = command;
    let request = wire::GetConnectionRequest { workspace_id: session.workspace()? };
    let connection = session.ask(Party::Auth, session.connections()?.get_connection(request)).await?;
    session.show(&Connection::from(connection))?;
    Ok(Exit::Done)
}

pub(crate) async fn connect(session: &Session, connect: Connect) -> Result<Exit, Failure> {
    let start_at = connect.start_date.moment().map(to_wire_time);
    let connection = match connect.flow {
        Flow::Web => {
            let request = wire::AuthorizeConnectionRequest {
                workspace_id: session.workspace()?,
                environment: connect.environment,
                start_at,
                actor: connect.actor,
                confirm_org_switch: connect.confirm_org_switch,
            };
            authorize::authorize(session, request).await?
        }
        Flow::ClientCredentials => {
            let request = wire::ConnectClientCredentialsRequest {
                workspace_id: session.workspace()?,
                environment: connect.environment,
                start_at,
                actor: connect.actor,
                confirm_org_switch: connect.confirm_org_switch,
            };
            session.ask(Party::Auth, session.connections()?.connect_client_credentials(request)).await?
        }
    };
    let first_sync = if connect.no_sync {
        None
    } else {
        // Said before the sync is prepared: should that fail, the connection stands.
        if !session.json() {
            remark(&printable(&format!("Connected to {}.", connection.org_name)));
        }
        Some(first_sync::prepare(session).await?)
    };
    session.show(&Connected { connection: connection.into(), first_sync })?;
    Ok(Exit::Done)
}

pub(crate) async fn disconnect(session: &Session, disconnect: Disconnect) -> Result<Exit, Failure> {
    if disconnect.preview {
        let request = writer::PreviewDisconnectRequest { workspace_id: session.workspace()? };
        let left = session.ask(Party::Writer, session.standing()?.preview_disconnect(request)).await?;
        session.show(&Left::from(left))?;
        return Ok(Exit::Done);
    }
    let request = wire::DisconnectConnectionRequest {
        workspace_id: session.workspace()?,
        purge: disconnect.purge,
        actor: disconnect.actor,
    };
    let connection = session.ask(Party::Auth, session.connections()?.disconnect_connection(request)).await?;
    session.show(&Connection::from(connection))?;
    Ok(Exit::Done)
}

pub(crate) async fn move_start_date(session: &Session, start: StartDate) -> Result<Exit, Failure> {
    let request =
        wire::UpdateStartDateRequest { workspace_id: session.workspace()?, start_at: start.moment().map(to_wire_time) };
    let connection = session.ask(Party::Auth, session.connections()?.update_start_date(request)).await?;
    session.show(&Connection::from(connection))?;
    Ok(Exit::Done)
}

/// A connection.
#[derive(Debug, Serialize)]
struct Connection {
    workspace_id: String,
    state: &'static str,
    org_id: Option<String>,
    org_name: Option<String>,
    instance_url: Option<String>,
    login_url: Option<String>,
    sandbox: bool,
    /// Nothing means everything.
    start_at: Option<Timestamp>,
    connected_at: Option<Timestamp>,
    connected_by: Option<String>,
    ended_at: Option<Timestamp>,
    salesforce_username: Option<String>,
    epoch: i64,
}

fn state_word(number: i32) -> &'static str {
    match wire::GrantState::try_from(number) {
        Ok(wire::GrantState::Active) => "active",
        Ok(wire::GrantState::Revoked) => "revoked",
        Ok(wire::GrantState::Disconnecting) => "disconnecting",
        Ok(wire::GrantState::Disconnected) => "disconnected",
        Ok(wire::GrantState::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::Connection> for Connection {
    fn from(connection: wire::Connection) -> Self {
        Self {
            state: state_word(connection.state),
            start_at: moment(connection.start_at.as_ref()),
            connected_at: moment(connection.connect_time.as_ref()),
            ended_at: moment(connection.end_time.as_ref()),
            workspace_id: connection.workspace_id,
            org_id: some(connection.org_id),
            org_name: some(connection.org_name),
            instance_url: some(connection.instance_url),
            login_url: some(connection.login_url),
            sandbox: connection.sandbox,
            connected_by: some(connection.connected_by),
            salesforce_username: some(connection.salesforce_username),
            epoch: connection.epoch,
        }
    }
}

impl Answer for Connection {
    fn text(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let mut table = Table::facts();
        table.fact("state", self.state);
        table.fact("org", text(&self.org_name));
        table.fact("org id", text(&self.org_id));
        table.fact("sandbox", yes(self.sandbox));
        table.fact("address", text(&self.instance_url));
        table.fact("start date", self.start_at.map_or_else(|| "everything".to_owned(), |at| at.to_string()));
        table.fact("connected", or_dash(self.connected_at.as_ref()));
        table.fact("connected by", text(&self.connected_by));
        table.fact("syncs as", text(&self.salesforce_username));
        table.fact("ended", self.ended_at.map(|at| at.to_string()).unwrap_or_default());
        table.text()
    }
}

/// What a disconnect would leave.
#[derive(Debug, Serialize)]
struct Left {
    customers: i64,
    contacts: i64,
    unlocks: Vec<Unlock>,
    parked: i64,
}

/// A field that would become editable.
#[derive(Debug, Serialize)]
struct Unlock {
    kind: &'static str,
    field: String,
    source: String,
}

impl From<writer::DisconnectPreview> for Left {
    fn from(left: writer::DisconnectPreview) -> Self {
        let unlock = |lock: contract::event::v1::LockedField| Unlock {
            kind: kind_word(lock.kind),
            field: lock.field,
            source: lock.source,
        };
        Self {
            customers: left.customers,
            contacts: left.contacts,
            unlocks: left.unlocks.into_iter().map(unlock).collect(),
            parked: left.parked,
        }
    }
}

impl Answer for Left {
    fn text(&self) -> String {
        let mut table = Table::new(["unlocks", "of", "fed until then by"]);
        for unlock in &self.unlocks {
            table.row([unlock.field.clone(), unlock.kind.to_owned(), unlock.source.clone()]);
        }
        let Self { customers, contacts, parked, .. } = self;
        format!(
            "{customers} customers and {contacts} contacts stay; {parked} parked records are forgotten\n\n{}",
            table.text()
        )
    }
}

/// What `connect` did.
#[derive(Debug, Serialize)]
struct Connected {
    connection: Connection,
    /// Nothing with `--no-sync`.
    first_sync: Option<FirstSync>,
}

impl Answer for Connected {
    fn text(&self) -> String {
        let first_sync = self.first_sync.as_ref().map(FirstSync::text);
        [Some(self.connection.text()), first_sync].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}

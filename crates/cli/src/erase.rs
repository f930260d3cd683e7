//! Erase orders: what they ask of whoever gives them, and how far they are.

use std::time::Duration;

use clap::Args;
use contract::writer::v1 as wire;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::failure::{Exit, Failure};
use crate::row::Named;
use crate::session::{Answer, Party, Session};
use crate::wire::moment;

/// How long to wait for the mapper; it is told until it answers, also after that.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// UUID, or Salesforce id of an account, a contact or a lead.
    #[arg(value_parser = Named::parse)]
    id: Named,
    /// Yes, erase it for good.
    #[arg(long)]
    yes: bool,
    /// UUID of the order; name an earlier one to see how far it is.
    #[arg(long)]
    request: Option<Uuid>,
    /// Who wants it, for the audit log.
    #[arg(long, env = "USER", hide_env_values = true, default_value = "lanesync")]
    actor: String,
}

/// Gives the order and waits a while for the mapper.
pub(crate) async fn run(session: &Session, erase: Erase) -> Result<Exit, Failure> {
    if !erase.yes {
        return Err(Failure::usage(
            "Erasing can't be undone, and Salesforce does not bring it back: repeat with --yes.",
        ));
    }
    let request_id = erase.request.unwrap_or_else(Uuid::now_v7).to_string();
    let (id, salesforce_id) = erase.id.into_parts();
    let workspace_id = session.workspace()?;
    let order = wire::EraseRecordRequest { workspace_id, id, salesforce_id, request_id, actor: erase.actor };
    let mut client = session.customers()?;
    let begun = std::time::Instant::now();
    loop {
        let standing = session.ask(Party::Writer, client.erase_record(order.clone())).await?;
        if standing.source_erase_time.is_some() || begun.elapsed() >= PATIENCE {
            session.show(&Erased {
                request_id: order.request_id,
                rows: standing.erased_rows,
                erased_at: moment(standing.erase_time.as_ref()),
                source_erased_at: moment(standing.source_erase_time.as_ref()),
            })?;
            return Ok(Exit::Done);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

#[derive(Debug, Serialize)]
struct Erased {
    request_id: String,
    rows: i64,
    erased_at: Option<Timestamp>,
    /// Nothing while the mapper has not answered.
    source_erased_at: Option<Timestamp>,
}

impl Answer for Erased {
    fn text(&self) -> String {
        let source = match self.source_erased_at {
            Some(_) => "its stored source values are erased too",
            None => "the mapper has not answered yet; it is told until it has",
        };
        format!("erased {} rows; {source}\norder {}", self.rows, self.request_id)
    }
}

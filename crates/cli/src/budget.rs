//! Which share of the org's daily calls lanesync may use.

use clap::Args;
use contract::extractor::v1 as wire;
use serde::Serialize;
use uuid::Uuid;

use crate::failure::{Exit, Failure};
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};

#[derive(Args, Debug)]
pub(crate) struct Command {
    /// New share of the org's daily calls, 1 to 100; without it the share is shown.
    percent: Option<i32>,
    /// Only check, and show what it would be.
    #[arg(long, requires = "percent")]
    preview: bool,
    /// Etag that was shown; refuse if somebody changed the share since.
    #[arg(long, requires = "percent")]
    etag: Option<String>,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let workspace_id = session.workspace()?;
    let mut syncs = session.syncs()?;
    let told = match command.percent {
        None => session.ask(Party::Extractor, syncs.get_api_budget(wire::GetApiBudgetRequest { workspace_id })).await?,
        Some(percent) => {
            let request = wire::UpdateApiBudgetRequest {
                workspace_id,
                percent,
                etag: command.etag.unwrap_or_default(),
                request_id: Uuid::new_v4().to_string(),
                validate_only: command.preview,
            };
            session.ask(Party::Extractor, syncs.update_api_budget(request)).await?
        }
    };
    session.show(&Budget::from(told))?;
    Ok(Exit::Done)
}

/// A share, and what is used of it.
#[derive(Debug, Serialize)]
struct Budget {
    workspace_id: String,
    percent: i32,
    default_percent: i32,
    own_calls_used: i64,
    own_calls_limit: Option<i64>,
    org_calls_used: Option<i64>,
    org_calls_limit: Option<i64>,
    etag: String,
}

impl From<wire::ApiBudget> for Budget {
    fn from(told: wire::ApiBudget) -> Self {
        Self {
            workspace_id: told.workspace_id,
            percent: told.percent,
            default_percent: told.default_percent,
            own_calls_used: told.own_calls_used,
            own_calls_limit: told.own_calls_limit,
            org_calls_used: told.org_calls_used,
            org_calls_limit: told.org_calls_limit,
            etag: told.etag,
        }
    }
}

impl Answer for Budget {
    fn text(&self) -> String {
        let of = |used: Option<i64>, limit: Option<i64>| {
            format!("{} of {}", or_dash(used.as_ref()), or_dash(limit.as_ref()))
        };
        let mut facts = Table::facts();
        facts
            .fact("share", format!("{} % of the org's daily calls (default {} %)", self.percent, self.default_percent));
        facts.fact("our calls", of(Some(self.own_calls_used), self.own_calls_limit));
        facts.fact("org calls", of(self.org_calls_used, self.org_calls_limit));
        facts.text()
    }
}

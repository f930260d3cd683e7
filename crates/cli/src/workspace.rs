//! Workspaces and their plans.

use clap::{Args, Subcommand};
use contract::auth::v1 as wire;
use contract::common::v1::Plan as WirePlan;
use domain::{Plan, WorkspaceId};
use jiff::Timestamp;
use serde::Serialize;

use crate::argument;
use crate::failure::{Exit, Failure};
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};
use crate::wire::{UNKNOWN, moment};

/// How many workspaces one call brings.
const PAGE: i32 = 1000;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Create a workspace, or return the existing one of that id.
    Create(Create),
    /// List all workspaces.
    List,
    /// Change the plan of the workspace: starter, pro or business.
    Plan {
        /// The new plan.
        #[arg(value_parser = argument::plan)]
        plan: Plan,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Name for people.
    name: String,
    /// What the workspace pays for.
    #[arg(long, default_value = "starter", value_parser = argument::plan)]
    plan: Plan,
    /// UUID of the new workspace; one is chosen without it.
    #[arg(long)]
    id: Option<WorkspaceId>,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(create) => {
            let request = wire::CreateWorkspaceRequest {
                workspace_id: create.id.map(|id| id.to_string()).unwrap_or_default(),
                display_name: create.name,
                plan: WirePlan::from(create.plan) as i32,
            };
            let created = session.ask(Party::Auth, session.workspaces()?.create_workspace(request)).await?;
            session.show(&Workspace::from(created))?;
        }
        Command::List => session.show(&list(session).await?)?,
        Command::Plan { plan } => {
            let request =
                wire::SetWorkspacePlanRequest { workspace_id: session.workspace()?, plan: WirePlan::from(plan) as i32 };
            let changed = session.ask(Party::Auth, session.workspaces()?.set_workspace_plan(request)).await?;
            session.show(&Workspace::from(changed))?;
        }
    }
    Ok(Exit::Done)
}

async fn list(session: &Session) -> Result<Workspaces, Failure> {
    let mut client = session.workspaces()?;
    let mut workspaces = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ListWorkspacesRequest { page_size: PAGE, page_token };
        let page = session.ask(Party::Auth, client.list_workspaces(request)).await?;
        workspaces.extend(page.workspaces.into_iter().map(Workspace::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(Workspaces { workspaces });
        }
    }
}

/// A workspace.
#[derive(Debug, Serialize)]
struct Workspace {
    id: String,
    name: String,
    plan: &'static str,
    created_at: Option<Timestamp>,
}

impl From<wire::Workspace> for Workspace {
    fn from(workspace: wire::Workspace) -> Self {
        Self {
            plan: contract::convert::plan(workspace.plan).map_or(UNKNOWN, Plan::token),
            created_at: moment(workspace.create_time.as_ref()),
            id: workspace.id,
            name: workspace.display_name,
        }
    }
}

impl Answer for Workspace {
    fn text(&self) -> String {
        let mut table = Table::facts();
        table.fact("workspace", &self.id);
        table.fact("name", &self.name);
        table.fact("plan", self.plan);
        table.fact("created", or_dash(self.created_at.as_ref()));
        table.text()
    }
}

#[derive(Debug, Serialize)]
struct Workspaces {
    workspaces: Vec<Workspace>,
}

impl Answer for Workspaces {
    fn text(&self) -> String {
        let mut table = Table::new(["workspace", "name", "plan", "created"]);
        for workspace in &self.workspaces {
            let created = or_dash(workspace.created_at.as_ref());
            table.row([workspace.id.clone(), workspace.name.clone(), workspace.plan.to_owned(), created]);
        }
        table.text()
    }
}

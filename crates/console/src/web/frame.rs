//! What surrounds every page: where we are, who we are, what else is open.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use contract::auth::v1::{Connection, GetConnectionRequest, GetWorkspaceRequest, Workspace};
use contract::common::v1::Plan;
use contract::error::Reason;
use contract::extractor::v1::{GetSyncStatusRequest, SyncState, SyncStatus};

use super::{Visit, page};
use crate::peers::{Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::words;

/// What every page asks the services, all at once and each for three seconds at most.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// The workspace and its plan.
    pub(crate) workspace: Answer<Workspace>,
    /// The connection; `None` when there never was one.
    pub(crate) connection: Answer<Option<Connection>>,
    /// The state of the sync.
    pub(crate) status: Answer<SyncStatus>,
}

impl Ground {
    /// Asks.
    pub(crate) async fn of(visit: &Visit) -> Self {
        let workspace_id = visit.workspace();
        let peers = visit.peers();
        let (mut workspaces, mut connections, mut syncs) = (peers.workspaces(), peers.connections(), peers.syncs());
        let workspace = workspaces.get_workspace(GetWorkspaceRequest { workspace_id: workspace_id.clone() });
        let connection = connections.get_connection(GetConnectionRequest { workspace_id: workspace_id.clone() });
        let status = syncs.get_sync_status(GetSyncStatusRequest { workspace_id });
        let (workspace, connection, status) = tokio::join!(
            ask(Party::Auth, PAGE, workspace),
            ask(Party::Auth, PAGE, connection),
            ask(Party::Extractor, PAGE, status),
        );
        let connection = match connection {
            Ok(connection) => Ok(Some(connection)),
            Err(trouble) if trouble.is(Reason::NotConnected) => Ok(None),
            Err(trouble) => Err(trouble),
        };
        if let Ok(found) = &workspace {
            visit.console().names.learn(&visit.workspace(), &found.display_name);
        }
        Self { workspace, connection, status }
    }

    /// Returns the state: as the extractor decides it, or, while it is silent, as far as auth's answers tell.
    pub(crate) fn state(&self) -> SyncState {
        use contract::auth::v1::GrantState;

        if let Ok(status) = &self.status {
            return status.state();
        }
        if self.workspace.as_ref().is_ok_and(|workspace| workspace.plan() != Plan::Business) {
            return SyncState::PlanRequired;
        }
        match &self.connection {
            Ok(None) => SyncState::NotConnected,
            Ok(Some(connection)) => match connection.state() {
                GrantState::Revoked => SyncState::AuthRevoked,
                GrantState::Disconnecting | GrantState::Disconnected => SyncState::Disconnected,
                GrantState::Active | GrantState::Unspecified => SyncState::Degraded,
            },
            Err(_) => SyncState::Degraded,
        }
    }

    /// Returns what can't be shown now, one trouble per silent service.
    pub(crate) fn silent(&self) -> Vec<&Trouble> {
        let auth = self.workspace.as_ref().err().or(self.connection.as_ref().err());
        auth.into_iter().chain(self.status.as_ref().err()).collect()
    }
}

/// The pages of the integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    /// How it goes.
    Status,
    /// Which field feeds which.
    Mapping,
    /// What picklist values mean.
    Values,
    /// What became of the records.
    Customers,
    /// What was read and when.
    Runs,
    /// What did not work.
    Problems,
    /// How often it syncs, and at which cost.
    Settings,
}

impl Tab {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 7] =
        [Self::Status, Self::Mapping, Self::Values, Self::Customers, Self::Runs, Self::Problems, Self::Settings];

    /// Returns the name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Mapping => "Mapping",
            Self::Values => "Values",
            Self::Customers => "Customers",
            Self::Runs => "Runs",
            Self::Problems => "Problems",
            Self::Settings => "Sync settings",
        }
    }

    /// Returns the address.
    pub(crate) fn href(self) -> &'static str {
        match self {
            Self::Status => "/integrations/salesforce",
            Self::Mapping => "/integrations/salesforce/mapping/accounts",
            Self::Values => "/integrations/salesforce/values/status",
            Self::Customers => "/integrations/salesforce/customers",
            Self::Runs => "/integrations/salesforce/runs",
            Self::Problems => "/integrations/salesforce/problems",
            Self::Settings => "/integrations/salesforce/settings",
        }
    }
}

macro_rules! notices {
    ($($(#[$doc:meta])* $variant:ident = $token:literal, $text:literal;)*) => {
        /// What the last change did, told once on the page that follows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Notice { $($(#[$doc])* $variant,)* }

        impl Notice {
            /// Returns the word in the address.
            pub(crate) fn token(self) -> &'static str {
                match self { $(Self::$variant => $token,)* }
            }

            /// Returns the notice of a word in the address; other words are nobody's message.
            pub(crate) fn from_token(token: &str) -> Option<Self> {
                match token { $($token => Some(Self::$variant),)* _ => None }
            }

            /// Returns the sentence.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

notices! {
    /// The session began.
    SignedIn = "signed-in", "You are signed in.";
    /// A connection stands.
    Connected = "connected", "Salesforce is connected. One step is left: the first sync.";
    /// A run was started.
    SyncStarted = "sync-started", "The sync has started.";
    /// A replay was started.
    ReplayStarted = "replay-started", "Stored records are being mapped again. No Salesforce call is made.";
    /// A run is being cancelled.
    Cancelled = "cancelled", "The sync was cancelled. What was read stays.";
    /// The connection is over.
    Disconnected = "disconnected", "Salesforce is disconnected. Your customers stay.";
    /// A mapping was saved.
    MappingSaved = "mapping-saved", "The mapping is saved.";
    /// The start date was moved.
    StartMoved = "start-moved", "The start date is changed.";
    /// Fields of a customer were changed.
    CustomerSaved = "customer-saved", "The customer is saved.";
    /// A customer was made by hand.
    CustomerCreated = "customer-created", "The customer is created. Salesforce never touches it.";
    /// Fields of a contact were changed.
    ContactSaved = "contact-saved", "The contact is saved.";
    /// A contact was made by hand.
    ContactCreated = "contact-created", "The contact is created. Salesforce never touches it.";
    /// A form was sent as it came.
    NothingChanged = "nothing-changed", "Nothing was changed: every value is what it was.";
    /// Somebody asked for a record that another one continues.
    Merged = "merged", "What you looked for goes on under this record.";
    /// Values were decided.
    ValuesSaved = "values-saved", "Saved. It applies at once to the records that Lane has stored; no Salesforce call was made.";
    /// The options of a field were changed.
    OptionsSaved = "options-saved", "The options are saved.";
    /// The interval of polls was changed.
    ScheduleSaved = "schedule-saved", "Saved. Salesforce is asked as often from now on.";
    /// Our share of the org's calls was changed.
    BudgetSaved = "budget-saved", "Saved. If the sync waited for this, it goes on now.";
    /// Parked records are read again.
    Retried = "retried", "The records are asked for again. They leave this list when they are applied.";
}

/// What surrounds a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Title of the page.
    pub(crate) title: String,
    /// Which tab is open; `None` on pages beside the tabs.
    pub(crate) tab: Option<Tab>,
    /// Name of the workspace; empty until auth told it once.
    pub(crate) workspace: String,
    /// Name of the person.
    pub(crate) member: String,
    /// Whether they may change anything.
    pub(crate) is_admin: bool,
    /// What every form carries.
    pub(crate) csrf: String,
    /// `data-state` of the page.
    pub(crate) state: &'static str,
    /// Values that need a mapping.
    pub(crate) unmapped: i64,
    /// Records that could not be applied.
    pub(crate) parked: i64,
    /// What the last change did.
    pub(crate) notice: Option<Notice>,
    /// What can't be shown now.
    pub(crate) silent: Vec<Trouble>,
}

impl Frame {
    /// Returns the frame of a page on the given ground.
    pub(crate) fn new(visit: &Visit, ground: &Ground, tab: Option<Tab>, title: &str) -> Self {
        let status = ground.status.as_ref().ok();
        Self {
            tab,
            state: words::state(ground.state()),
            unmapped: status.map_or(0, |status| status.unmapped_values),
            parked: status.map_or(0, |status| status.parked_records),
            silent: ground.silent().into_iter().cloned().collect(),
            ..Self::plain(visit, title)
        }
    }

    /// Returns the frame of a page that asks nobody.
    pub(crate) fn plain(visit: &Visit, title: &str) -> Self {
        Self {
            title: title.to_owned(),
            tab: None,
            workspace: visit.console().names.of(&visit.workspace()),
            member: visit.member().name.clone(),
            is_admin: visit.member().is_admin(),
            csrf: visit.csrf(),
            state: "unknown",
            unmapped: 0,
            parked: 0,
            notice: visit.notice,
            silent: Vec::new(),
        }
    }

    /// Returns the number that a tab carries; 0 for none.
    pub(crate) fn badge(&self, tab: &Tab) -> i64 {
        match tab {
            Tab::Values => self.unmapped,
            Tab::Problems => self.parked,
            Tab::Status | Tab::Mapping | Tab::Customers | Tab::Runs | Tab::Settings => 0,
        }
    }
}

/// A trouble in the frame of the integration.
#[derive(Template)]
#[template(path = "trouble.html")]
pub(super) struct TroublePage<'a> {
    pub(super) frame: &'a Frame,
    pub(super) trouble: &'a Trouble,
}

/// A page for somebody who is not signed in, or not let through.
#[derive(Template)]
#[template(path = "bare.html")]
struct BarePage<'a> {
    title: &'a str,
    advice: &'a str,
}

/// Returns a page without frame.
pub(crate) fn bare(status: StatusCode, title: &str, advice: &str) -> Response {
    page(status, &BarePage { title, advice })
}

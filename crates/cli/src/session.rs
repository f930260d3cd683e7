//! Who is asked, for which workspace, and how the answer is shown.

use std::io::Write;

use clap::Args;
use contract::auth::v1::connection_service_client::ConnectionServiceClient;
use contract::auth::v1::workspace_service_client::WorkspaceServiceClient;
use contract::extractor::v1::access_service_client::AccessServiceClient;
use contract::extractor::v1::schema_service_client::SchemaServiceClient;
use contract::extractor::v1::sync_service_client::SyncServiceClient;
use contract::mapper::v1::mapping_service_client::MappingServiceClient;
use contract::mapper::v1::record_service_client::RecordServiceClient;
use contract::writer::v1::customer_service_client::CustomerServiceClient;
use contract::writer::v1::history_service_client::HistoryServiceClient;
use contract::writer::v1::parked_service_client::ParkedServiceClient;
use contract::writer::v1::standing_service_client::StandingServiceClient;
use domain::WorkspaceId;
use serde::Serialize;
use service::config::Tls;
use service::credentials::Credentials;
use service::grpc::{Peer, peer};
use tonic::{Response, Status};

use crate::failure::Failure;

/// Where the services are, and what every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Workspace (UUID).
    #[arg(long, global = true, env = "LANESYNC_WORKSPACE", help_heading = "Global options")]
    workspace: Option<WorkspaceId>,
    /// One JSON document on standard output instead of a table.
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Address of auth.
    #[arg(
        long,
        global = true,
        env = "LANESYNC_AUTH_URL",
        default_value = "http://127.0.0.1:50051",
        help_heading = "Global options"
    )]
    auth_url: String,
    /// Address of the extractor.
    #[arg(
        long,
        global = true,
        env = "LANESYNC_EXTRACTOR_URL",
        default_value = "http://127.0.0.1:50061",
        help_heading = "Global options"
    )]
    extractor_url: String,
    /// Address of the mapper.
    #[arg(
        long,
        global = true,
        env = "LANESYNC_MAPPER_URL",
        default_value = "http://127.0.0.1:50071",
        help_heading = "Global options"
    )]
    mapper_url: String,
    /// Address of customer-writer.
    #[arg(
        long,
        global = true,
        env = "LANESYNC_WRITER_URL",
        default_value = "http://127.0.0.1:50081",
        help_heading = "Global options"
    )]
    writer_url: String,
    /// The certificate to call with, where the services ask for one.
    #[command(flatten)]
    tls: Tls,
}

/// A service of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// Workspaces and connections.
    Auth,
    /// Schema, runs, schedule.
    Extractor,
    /// Mappings, values, replays.
    Mapper,
    /// Customers, contacts, parked records.
    Writer,
}

/// What a command answers: a document for programs and a text for people.
pub(crate) trait Answer: Serialize {
    /// Returns the text for people, without the last line end.
    fn text(&self) -> String;
}

/// One invocation of the program.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    global: Global,
}

impl Session {
    /// Begins with what the command line said.
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    /// Whether programs read the answer.
    pub(crate) fn json(&self) -> bool {
        self.global.json
    }

    /// Returns the workspace as the contracts write it.
    pub(crate) fn workspace(&self) -> Result<String, Failure> {
        let missing = || Failure::usage("Name the workspace with --workspace or LANESYNC_WORKSPACE.");
        self.global.workspace.map(|workspace| workspace.to_string()).ok_or_else(missing)
    }

    /// Waits for a call to `party` and returns what it answered.
    pub(crate) async fn ask<T>(
        &self,
        party: Party,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match call.await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.failure(party, &status)),
        }
    }

    /// Reads what `party` answered instead of a result.
    pub(crate) fn failure(&self, party: Party, status: &Status) -> Failure {
        let name = match party {
            Party::Auth => "auth",
            Party::Extractor => "the extractor",
            Party::Mapper => "the mapper",
            Party::Writer => "customer-writer",
        };
        Failure::answered(&format!("{name} at {}", self.url(party)), status)
    }

    /// Writes an answer to standard output.
    pub(crate) fn show<A: Answer>(&self, answer: &A) -> Result<(), Failure> {
        if self.json() {
            let document = serde_json::to_string(answer);
            say(&document.map_err(|error| Failure::internal(format!("Writing the answer as JSON: {error}.")))?)
        } else {
            say(&answer.text())
        }
    }

    fn url(&self, party: Party) -> &str {
        match party {
            Party::Auth => &self.global.auth_url,
            Party::Extractor => &self.global.extractor_url,
            Party::Mapper => &self.global.mapper_url,
            Party::Writer => &self.global.writer_url,
        }
    }

    fn channel(&self, party: Party) -> Result<Peer, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::usage(format!("{error:#}."));
        let credentials = Credentials::load(&self.global.tls).map_err(|error| usage(&error))?;
        peer(self.url(party), credentials.as_ref()).map_err(|error| usage(&error))
    }

    /// Returns a client of auth's workspaces.
    pub(crate) fn workspaces(&self) -> Result<WorkspaceServiceClient<Peer>, Failure> {
        self.channel(Party::Auth).map(WorkspaceServiceClient::new)
    }

    /// Returns a client of auth's connections.
    pub(crate) fn connections(&self) -> Result<ConnectionServiceClient<Peer>, Failure> {
        self.channel(Party::Auth).map(ConnectionServiceClient::new)
    }

    /// Returns a client of the extractor's runs.
    pub(crate) fn syncs(&self) -> Result<SyncServiceClient<Peer>, Failure> {
        self.channel(Party::Extractor).map(SyncServiceClient::new)
    }

    /// Returns a client of the extractor's describes.
    pub(crate) fn schemas(&self) -> Result<SchemaServiceClient<Peer>, Failure> {
        self.channel(Party::Extractor).map(SchemaServiceClient::new)
    }

    /// Returns a client of what the integration user may read.
    pub(crate) fn access(&self) -> Result<AccessServiceClient<Peer>, Failure> {
        self.channel(Party::Extractor).map(AccessServiceClient::new)
    }

    /// Returns a client of the mapper's records.
    pub(crate) fn records(&self) -> Result<RecordServiceClient<Peer>, Failure> {
        self.channel(Party::Mapper).map(RecordServiceClient::new)
    }

    /// Returns a client of the mapper.
    pub(crate) fn mappings(&self) -> Result<MappingServiceClient<Peer>, Failure> {
        self.channel(Party::Mapper).map(MappingServiceClient::new)
    }

    /// Returns a client of the writer's customers.
    pub(crate) fn customers(&self) -> Result<CustomerServiceClient<Peer>, Failure> {
        self.channel(Party::Writer).map(CustomerServiceClient::new)
    }

    /// Returns a client of what stands in Lane.
    pub(crate) fn standing(&self) -> Result<StandingServiceClient<Peer>, Failure> {
        self.channel(Party::Writer).map(StandingServiceClient::new)
    }

    /// Returns a client of what was written when.
    pub(crate) fn history(&self) -> Result<HistoryServiceClient<Peer>, Failure> {
        self.channel(Party::Writer).map(HistoryServiceClient::new)
    }

    /// Returns a client of the writer's parked records.
    pub(crate) fn parked(&self) -> Result<ParkedServiceClient<Peer>, Failure> {
        self.channel(Party::Writer).map(ParkedServiceClient::new)
    }
}

/// Writes a line to standard output. A reader that went away, as `head` does, is no failure.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(format!("Writing to standard output: {error}.")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error, for people who watch. There is nowhere to tell that this failed.
pub(crate) fn remark(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

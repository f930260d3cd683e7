//! The four services, asked with a limit: a page never waits long for one that is down.

use std::time::Duration;

use contract::auth::v1::connection_service_client::ConnectionServiceClient;
use contract::auth::v1::workspace_service_client::WorkspaceServiceClient;
use contract::extractor::v1::access_service_client::AccessServiceClient;
use contract::extractor::v1::sync_service_client::SyncServiceClient;
use contract::mapper::v1::mapping_service_client::MappingServiceClient;
use contract::mapper::v1::record_service_client::RecordServiceClient;
use contract::writer::v1::apply_service_client::ApplyServiceClient;
use contract::writer::v1::customer_service_client::CustomerServiceClient;
use contract::writer::v1::parked_service_client::ParkedServiceClient;
use service::credentials::Credentials;
use service::grpc::{Peer, peer};
use tonic::{Response, Status};

use crate::config::PeerUrls;
use crate::trouble::Trouble;

/// How long a page waits for what it shows.
pub(crate) const PAGE: Duration = Duration::from_secs(3);
/// How long a person who pressed a button waits for what it does; Salesforce may be asked meanwhile.
pub(crate) const ACTION: Duration = Duration::from_secs(20);

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

impl Party {
    /// Returns what people call it: by what it does for them.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Auth => "the service that keeps the connection",
            Self::Extractor => "the service that reads Salesforce",
            Self::Mapper => "the service that keeps the mapping",
            Self::Writer => "the service that keeps customers",
        }
    }
}

/// What a service answered, or what to tell people instead.
pub(crate) type Answer<T> = Result<T, Trouble>;

/// Channels to the four services; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    auth: Peer,
    extractor: Peer,
    mapper: Peer,
    writer: Peer,
}

impl Peers {
    /// Returns channels that connect on first use.
    ///
    /// # Errors
    /// When an address is not a URL, or its scheme does not go with the credentials.
    pub(crate) fn new(urls: &PeerUrls, credentials: Option<&Credentials>) -> anyhow::Result<Self> {
        let to = |url| peer(url, credentials);
        Ok(Self {
            auth: to(&urls.auth_url)?,
            extractor: to(&urls.extractor_url)?,
            mapper: to(&urls.mapper_url)?,
            writer: to(&urls.writer_url)?,
        })
    }

    pub(crate) fn workspaces(&self) -> WorkspaceServiceClient<Peer> {
        WorkspaceServiceClient::new(self.auth.clone())
    }

    pub(crate) fn connections(&self) -> ConnectionServiceClient<Peer> {
        ConnectionServiceClient::new(self.auth.clone())
    }

    pub(crate) fn syncs(&self) -> SyncServiceClient<Peer> {
        SyncServiceClient::new(self.extractor.clone())
    }

    pub(crate) fn access(&self) -> AccessServiceClient<Peer> {
        AccessServiceClient::new(self.extractor.clone())
    }

    pub(crate) fn mappings(&self) -> MappingServiceClient<Peer> {
        MappingServiceClient::new(self.mapper.clone())
    }

    pub(crate) fn records(&self) -> RecordServiceClient<Peer> {
        RecordServiceClient::new(self.mapper.clone())
    }

    pub(crate) fn customers(&self) -> CustomerServiceClient<Peer> {
        CustomerServiceClient::new(self.writer.clone())
    }

    pub(crate) fn applied(&self) -> ApplyServiceClient<Peer> {
        ApplyServiceClient::new(self.writer.clone())
    }

    pub(crate) fn parked(&self) -> ParkedServiceClient<Peer> {
        ParkedServiceClient::new(self.writer.clone())
    }
}

/// Waits for a call to `party`, at most `patience`, and returns what it answered.
pub(crate) async fn ask<T>(
    party: Party,
    patience: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Answer<T> {
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(Trouble::answered(party, &status)),
        Err(_) => Err(Trouble::silent(party)),
    }
}

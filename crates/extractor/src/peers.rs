//! The services that the extractor asks, and what their silence means.

use contract::auth::v1::connection_service_client::ConnectionServiceClient;
use contract::auth::v1::token_service_client::TokenServiceClient;
use contract::auth::v1::workspace_service_client::WorkspaceServiceClient;
use contract::mapper::v1::mapping_service_client::MappingServiceClient;
use contract::mapper::v1::read_plan_service_client::ReadPlanServiceClient;
use contract::writer::v1::apply_service_client::ApplyServiceClient;
use service::credentials::Credentials;
use service::grpc::{MAX_MESSAGE_BYTES, Peer, peer};

/// Clients of the peers; cheap to clone.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Access tokens.
    pub tokens: TokenServiceClient<Peer>,
    /// Workspaces and their plans.
    pub workspaces: WorkspaceServiceClient<Peer>,
    /// Connections.
    pub connections: ConnectionServiceClient<Peer>,
    /// What to read.
    pub plans: ReadPlanServiceClient<Peer>,
    /// Unmapped values and replays.
    pub mappings: MappingServiceClient<Peer>,
    /// What was applied.
    pub writer: ApplyServiceClient<Peer>,
}

impl Peers {
    /// Makes clients that connect on first use.
    ///
    /// # Errors
    /// When an address is no URL, or its scheme does not go with the credentials.
    pub fn new(auth: &str, mapper: &str, writer: &str, credentials: Option<&Credentials>) -> anyhow::Result<Self> {
        let to = |url| peer(url, credentials);
        let (auth, mapper, writer) = (to(auth)?, to(mapper)?, to(writer)?);
        Ok(Self {
            tokens: TokenServiceClient::new(auth.clone()),
            workspaces: WorkspaceServiceClient::new(auth.clone()),
            connections: ConnectionServiceClient::new(auth),
            plans: ReadPlanServiceClient::new(mapper.clone()),
            mappings: MappingServiceClient::new(mapper).max_decoding_message_size(MAX_MESSAGE_BYTES),
            writer: ApplyServiceClient::new(writer),
        })
    }
}

//! `ConnectionService`.

use std::sync::Arc;

use contract::auth::v1::connection_service_server::{ConnectionService, ConnectionServiceServer};
use contract::auth::v1::{
    AuthorizeConnectionRequest, AuthorizeConnectionResponse, CompleteAuthorizationRequest,
    ConnectClientCredentialsRequest, Connection as WireConnection, DisconnectConnectionRequest, GetConnectionRequest,
    GrantState as WireGrantState, ListConnectionsRequest, ListConnectionsResponse, UpdateStartDateRequest,
};
use contract::convert::{self, from_wire_time, to_wire_time};
use contract::error::{Failure, Reason};
use domain::WorkspaceId;
use jiff::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::workspace::cut;
use super::{failure, optional_name};
use crate::connect::{Callback, Connector, Wish};
use crate::connections::Connections;
use crate::page;
use crate::store::connection::Connection;
use crate::store::workspace::{GrantState, Standing};
use crate::vault::KeyRing;

const LIST: &str = "connections";
const LONGEST_HOST: usize = 300;

/// Serves connections.
#[derive(Clone, Debug)]
pub struct ConnectionApi {
    connector: Connector,
    connections: Connections,
    ring: Arc<KeyRing>,
}

impl ConnectionApi {
    /// Returns the service; `ring` signs page tokens.
    #[must_use]
    pub fn server(connector: Connector, connections: Connections, ring: Arc<KeyRing>) -> ConnectionServiceServer<Self> {
        ConnectionServiceServer::new(Self { connector, connections, ring })
    }
}

fn to_wire(workspace: WorkspaceId, connection: Connection, standing: Standing) -> WireConnection {
    let state = match standing.grant {
        GrantState::Never => WireGrantState::Unspecified,
        GrantState::Active => WireGrantState::Active,
        GrantState::Revoked => WireGrantState::Revoked,
        GrantState::Disconnecting => WireGrantState::Disconnecting,
        GrantState::Disconnected => WireGrantState::Disconnected,
    };
    WireConnection {
        workspace_id: workspace.to_string(),
        state: state.into(),
        org_id: connection.org.as_str().to_owned(),
        org_name: connection.org_name,
        instance_url: connection.instance_url,
        login_url: connection.login_url,
        start_at: connection.start_at.map(to_wire_time),
        connect_time: Some(to_wire_time(connection.connected_at)),
        connected_by: connection.connected_by,
        epoch: standing.epoch,
        end_time: connection.ended_at.map(to_wire_time),
        salesforce_username: connection.salesforce_username,
        sandbox: connection.sandbox,
    }
}

/// Reads a start date; one that no calendar has is out of range too.
fn start(start_at: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Status> {
    start_at.map(|start| from_wire_time("start_at", start)).transpose().map_err(|_| {
        Failure::new(Reason::StartDateInvalid, "The start date is out of range.").with("earliest", "1999-01-01").into()
    })
}

/// Reads an environment; which hosts are allowed is decided elsewhere.
fn environment(text: &str) -> Result<String, convert::InvalidField> {
    if text.is_empty() || text.len() > LONGEST_HOST {
        return Err(convert::InvalidField { field: "environment", problem: "is empty or longer than a host" });
    }
    Ok(text.to_owned())
}

#[tonic::async_trait]
impl ConnectionService for ConnectionApi {
    async fn authorize_connection(
        &self,
        request: Request<AuthorizeConnectionRequest>,
    ) -> Result<Response<AuthorizeConnectionResponse>, Status> {
        let request = request.into_inner();
        let wish = Wish {
            workspace: convert::workspace_id(&request.workspace_id)?,
            environment: environment(&request.environment)?,
            start_at: start(request.start_at.as_ref())?,
            actor: optional_name("actor", &request.actor)?,
            confirm_org_switch: request.confirm_org_switch,
        };
        let begun = self.connector.authorize(&wish, Timestamp::now()).await;
        let begun = begun.map_err(|error| failure::of_connect(&error))?;
        Ok(Response::new(AuthorizeConnectionResponse {
            authorize_url: begun.authorize_url,
            redirect_uri: begun.redirect_uri,
            expire_time: Some(to_wire_time(begun.expires_at)),
        }))
    }

    async fn complete_authorization(
        &self,
        request: Request<CompleteAuthorizationRequest>,
    ) -> Result<Response<WireConnection>, Status> {
        let request = request.into_inner();
        let callback = Callback {
            state: request.state.into(),
            code: request.code.into(),
            error: request.error,
            error_description: request.error_description,
            issuer: request.issuer,
        };
        let completed = self.connector.complete(callback).await;
        let connected = completed.map_err(|error| failure::of_connect(&error))?;
        self.connector.told(&connected).await;
        let (workspace, connection, standing) = connected;
        Ok(Response::new(to_wire(workspace, connection, standing)))
    }

    async fn connect_client_credentials(
        &self,
        request: Request<ConnectClientCredentialsRequest>,
    ) -> Result<Response<WireConnection>, Status> {
        let request = request.into_inner();
        let wish = Wish {
            workspace: convert::workspace_id(&request.workspace_id)?,
            environment: environment(&request.environment)?,
            start_at: start(request.start_at.as_ref())?,
            actor: optional_name("actor", &request.actor)?,
            confirm_org_switch: request.confirm_org_switch,
        };
        let connected = self.connector.client_credentials(wish).await;
        let connected = connected.map_err(|error| failure::of_connect(&error))?;
        self.connector.told(&connected).await;
        let (workspace, connection, standing) = connected;
        Ok(Response::new(to_wire(workspace, connection, standing)))
    }

    async fn get_connection(&self, request: Request<GetConnectionRequest>) -> Result<Response<WireConnection>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        let found = self.connections.read(workspace).await;
        let (connection, standing) = found.map_err(|error| failure::of_connection(&error))?;
        Ok(Response::new(to_wire(workspace, connection, standing)))
    }

    async fn list_connections(
        &self,
        request: Request<ListConnectionsRequest>,
    ) -> Result<Response<ListConnectionsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size)?;
        let position = page::read(&self.ring, LIST, &request.page_token)?;
        let after = WorkspaceId(position.map_or(Uuid::nil(), Uuid::from_bytes));
        let found = self.connections.list(after, size + 1).await;
        let (kept, next) = cut(found.map_err(|error| failure::of_connection(&error))?, size);
        let next_page_token =
            next.map(|(last, ..)| page::write(&self.ring, LIST, last.0.as_bytes())).unwrap_or_default();
        let connections =
            kept.into_iter().map(|(id, connection, standing)| to_wire(id, connection, standing)).collect();
        Ok(Response::new(ListConnectionsResponse { connections, next_page_token }))
    }

    async fn update_start_date(
        &self,
        request: Request<UpdateStartDateRequest>,
    ) -> Result<Response<WireConnection>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let start_at = start(request.start_at.as_ref())?;
        let moved = self.connections.set_start(workspace, start_at, Timestamp::now()).await;
        let (connection, standing) = moved.map_err(|error| failure::of_connection(&error))?;
        Ok(Response::new(to_wire(workspace, connection, standing)))
    }

    async fn disconnect_connection(
        &self,
        request: Request<DisconnectConnectionRequest>,
    ) -> Result<Response<WireConnection>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let actor = optional_name("actor", &request.actor)?;
        let ended = self.connections.disconnect(workspace, request.purge, &actor, Timestamp::now()).await;
        let (connection, standing) = ended.map_err(|error| failure::of_connection(&error))?;
        Ok(Response::new(to_wire(workspace, connection, standing)))
    }
}

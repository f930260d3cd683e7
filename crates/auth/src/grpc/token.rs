//! `TokenService`.

use contract::auth::v1::token_service_server::{TokenService, TokenServiceServer};
use contract::auth::v1::{AccessToken, GetAccessTokenRequest};
use contract::convert;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::failure;
use crate::access::Tokens;

/// Serves access tokens.
#[derive(Clone, Debug)]
pub struct TokenApi {
    tokens: Tokens,
}

impl TokenApi {
    /// Returns the service.
    #[must_use]
    pub fn server(tokens: Tokens) -> TokenServiceServer<Self> {
        TokenServiceServer::new(Self { tokens })
    }
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn get_access_token(&self, request: Request<GetAccessTokenRequest>) -> Result<Response<AccessToken>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let access = self.tokens.access_token(workspace, request.rejected_generation).await;
        let access = access.map_err(|error| failure::of_access(&error))?;
        Ok(Response::new(AccessToken {
            token: access.token.expose_secret().to_owned(),
            instance_url: access.instance_url,
            generation: access.generation,
            epoch: access.epoch,
            org_id: access.org.as_str().to_owned(),
        }))
    }
}

//! The one door of a gRPC server: every call passes it, and `contract::access` says whose.

use std::task::{Context, Poll};

use contract::access::{self, Identity};
use contract::error::{Failure, Reason};
use futures::future::{Either, Ready, ready};
use http::HeaderValue;
use http::header::USER_AGENT;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::listen::Caller;

/// Puts the door before a server's services.
#[derive(Clone, Copy)]
pub(crate) struct GateLayer;

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner }
    }
}

/// The services behind the door.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // Not said is not proven: a listener that forgets to tell lets nobody in.
        let caller = request.extensions().get().copied().unwrap_or(Caller::Nobody);
        match admit(caller, request.uri().path()) {
            Ok(proven) => {
                if let Some(identity) = proven {
                    // What is proven takes the place of what is claimed: the audit log reads it there.
                    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(identity.uri()));
                }
                Either::Left(self.inner.call(request))
            }
            Err(failure) => {
                // The audit line. A path that is no method is the caller's invention and not written down.
                let method = access::row_of(request.uri().path()).map_or("_other", |row| row.method);
                let caller = caller.name();
                tracing::warn!(caller, method, reason = failure.reason().as_str(), "a call was refused");
                Either::Right(ready(Ok(Status::from(failure).into_http())))
            }
        }
    }
}

impl Caller {
    fn name(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Nobody => "nobody",
            Self::Proven(identity) => identity.name(),
        }
    }
}

/// Decides on a call, and returns who has proven to be its caller.
fn admit(caller: Caller, path: &str) -> Result<Option<Identity>, Failure> {
    let identity = match caller {
        Caller::Anybody => return Ok(None),
        Caller::Nobody => {
            return Err(Failure::new(Reason::CallerUnknown, "The certificate names no identity that is known here."));
        }
        Caller::Proven(identity) => identity,
    };
    if access::row_of(path).is_some_and(|row| row.lets_in(identity)) {
        return Ok(Some(identity));
    }
    let message = format!("The method is not for {}.", identity.name());
    Err(Failure::new(Reason::CallerNotAllowed, message).with("caller", identity.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &str = "/lanesync.auth.v1.TokenService/GetAccessToken";

    fn reason(caller: Caller, path: &str) -> Option<Reason> {
        admit(caller, path).err().map(|failure| failure.reason())
    }

    #[test]
    fn a_proven_caller_passes_where_its_row_says_so_and_nowhere_else() {
        assert_eq!(admit(Caller::Proven(Identity::Extractor), TOKENS).ok(), Some(Some(Identity::Extractor)));
        for identity in Identity::ALL.into_iter().filter(|identity| *identity != Identity::Extractor) {
            assert_eq!(reason(Caller::Proven(identity), TOKENS), Some(Reason::CallerNotAllowed), "{identity:?}");
        }
        let nothing = "/lanesync.auth.v1.TokenService/Everything";
        assert_eq!(reason(Caller::Proven(Identity::Extractor), nothing), Some(Reason::CallerNotAllowed));
    }

    #[test]
    fn a_certificate_without_identity_passes_nowhere() {
        for row in access::TABLE {
            assert_eq!(reason(Caller::Nobody, &row.path()), Some(Reason::CallerUnknown));
        }
    }

    #[test]
    fn without_tls_nobody_is_asked() {
        assert_eq!(admit(Caller::Anybody, TOKENS).ok(), Some(None));
    }
}

//! Takes the OAuth callback where the redirect URI points to this machine: one request, one plain page, then closed.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::auth::v1::CompleteAuthorizationRequest;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::{Host, Url};

use crate::failure::Failure;

/// How long the page may take to reach the browser once the flow is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the person sees in the browser.
struct Page {
    status: StatusCode,
    text: String,
}

/// A callback that waits for its page.
type Arrival = (CompleteAuthorizationRequest, oneshot::Sender<Page>);

/// What each request is compared with.
struct Expected {
    path: String,
    state: String,
    arrivals: mpsc::Sender<Arrival>,
}

/// The address of the redirect URI, bound.
pub(crate) struct Listener {
    socket: TcpListener,
    path: String,
    state: String,
}

/// Whether a redirect URI leads to this machine and nowhere else.
pub(crate) fn is_loopback(redirect_uri: &Url) -> bool {
    redirect_uri.scheme() == "http"
        && match redirect_uri.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
            None => false,
        }
}

impl Listener {
    /// Binds a loopback redirect URI. `state` is what the authorize address carries: only its callback counts.
    pub(crate) async fn bind(redirect_uri: &Url, state: String) -> io::Result<Self> {
        let host = redirect_uri.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
        let port = redirect_uri.port_or_known_default().unwrap_or(80);
        let socket = TcpListener::bind((host, port)).await?;
        Ok(Self { socket, path: redirect_uri.path().to_owned(), state })
    }

    /// Waits for the callback, hands it to `finish`, shows the person how that went, and returns the same.
    ///
    /// Requests that are not the callback of this flow are refused and change nothing.
    pub(crate) async fn take<T, F>(self, finish: F) -> Result<T, Failure>
    where
        F: AsyncFnOnce(CompleteAuthorizationRequest) -> Result<T, Failure>,
    {
        let (arrivals, mut arrived) = mpsc::channel(1);
        let (done, stopping) = oneshot::channel::<()>();
        let expected = Arc::new(Expected { path: self.path, state: self.state, arrivals });
        let router = Router::new().fallback(answer).with_state(expected);
        let serving = axum::serve(self.socket, router).with_graceful_shutdown(async {
            // A dropped sender means the same: the flow is over.
            let _ = stopping.await;
        });
        let mut serving = std::pin::pin!(serving.into_future());
        let flow = async {
            let gone = || Failure::internal("The listener for the callback ended by itself.");
            let (callback, reply) = arrived.recv().await.ok_or_else(gone)?;
            arrived.close();
            let outcome = finish(callback).await;
            // The person may have closed the tab; the outcome stands all the same.
            let _ = reply.send(page(&outcome));
            outcome
        };
        let outcome = tokio::select! {
            outcome = flow => outcome,
            served = &mut serving => Err(Failure::internal(format!("The listener for the callback ended: {served:?}."))),
        };
        drop(done);
        let _ = tokio::time::timeout(FAREWELL, serving).await;
        outcome
    }
}

/// Returns the parts of a callback, or what is wrong with it.
fn read(query: &str, expected_state: &str) -> Result<CompleteAuthorizationRequest, &'static str> {
    let mut callback = CompleteAuthorizationRequest::default();
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let part = match name.as_ref() {
            "state" => &mut callback.state,
            "code" => &mut callback.code,
            "error" => &mut callback.error,
            "error_description" => &mut callback.error_description,
            "iss" => &mut callback.issuer,
            _ => continue,
        };
        if seen.contains(&name) {
            return Err("The address names a part twice.");
        }
        *part = value.into_owned();
        seen.push(name);
    }
    if callback.state != expected_state {
        return Err("This is not the sign-in that was started here.");
    }
    if callback.code.is_empty() == callback.error.is_empty() {
        return Err("The address carries neither a code nor an error, or both.");
    }
    Ok(callback)
}

async fn answer(State(expected): State<Arc<Expected>>, method: Method, OriginalUri(uri): OriginalUri) -> Page {
    let refused = |status, text: &str| Page { status, text: text.to_owned() };
    if uri.path() != expected.path {
        return refused(StatusCode::NOT_FOUND, "There is nothing here.");
    }
    if method != Method::GET {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "Only a browser's redirect is taken here.");
    }
    let callback = match read(uri.query().unwrap_or_default(), &expected.state) {
        Ok(callback) => callback,
        Err(problem) => return refused(StatusCode::BAD_REQUEST, problem),
    };
    let (reply, page) = oneshot::channel();
    if expected.arrivals.send((callback, reply)).await.is_err() {
        return refused(StatusCode::BAD_REQUEST, "This sign-in was already used.");
    }
    page.await.unwrap_or_else(|_| refused(StatusCode::BAD_REQUEST, "This sign-in was already used."))
}

fn page<T>(outcome: &Result<T, Failure>) -> Page {
    match outcome {
        Ok(_) => Page { status: StatusCode::OK, text: "Connected. You can close this page.".to_owned() },
        Err(failure) => Page {
            status: StatusCode::BAD_REQUEST,
            text: format!("Not connected. {} The terminal says more.", failure.message()),
        },
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        // The address holds the code: it must not be stored, and not be sent on as a referrer.
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ];
        (self.status, headers, self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_this_machine_is_listened_for() {
        let loopback = |text: &str| is_loopback(&text.parse().unwrap());
        assert!(loopback("http://127.0.0.1:8080/cb"));
        assert!(loopback("http://localhost:8080/cb"));
        assert!(loopback("http://[::1]:8080/cb"));
        assert!(!loopback("https://127.0.0.1:8080/cb"));
        assert!(!loopback("http://lane.example.com/cb"));
        assert!(!loopback("http://localhost.example.com/cb"));
    }

    #[test]
    fn a_callback_is_decoded_once() {
        let callback = read("code=a%2Bb%2525&state=s&sfdc_community_url=x&iss=https%3A%2F%2Fx", "s").unwrap();
        let CompleteAuthorizationRequest { code, error, issuer, .. } = callback;
        assert_eq!((code.as_str(), error.as_str(), issuer.as_str()), ("a+b%25", "", "https://x"));
    }

    #[test]
    fn what_is_not_the_callback_of_this_flow_is_refused() {
        for query in ["", "state=s", "code=a", "code=a&state=other", "code=a&code=b&state=s", "code=a&error=b&state=s"]
        {
            assert!(read(query, "s").is_err(), "{query}");
        }
    }
}

//! What every page tells the browser about itself (S33).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{App, Site};

/// Adds the headers.
pub(super) async fn add(State(app): State<App>, request: Request, next: Next) -> Response {
    let app = Arc::clone(&app);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy(&app.site));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: under it browsers send `Origin: null` with our own forms, and the guard asks for the Origin.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    if app.site.is_secure {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    response
}

fn policy(site: &Site) -> String {
    let mut destinations = String::new();
    for destination in &site.destinations {
        destinations.push(' ');
        destinations.push_str(destination);
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self' https://*.salesforce.com{destinations}; frame-ancestors 'none'; base-uri 'none'"
    )
}

//! The web-server flow from a terminal: show the address, take the callback, or wait until somebody else took it.

use std::time::Duration;

use contract::auth::v1 as wire;
use contract::error::Reason;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use crate::callback::{self, Listener};
use crate::failure::Failure;
use crate::session::{Answer, Party, Session, remark};
use crate::wire::moment;

/// How often auth is asked whether the callback arrived elsewhere.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a flow is waited for if auth does not say when it expires.
const LONGEST: Duration = Duration::from_secs(600);

/// Where to sign in. With `--json` this is the first of two lines.
#[derive(Debug, Serialize)]
struct Invitation {
    authorize_url: String,
    redirect_uri: String,
    expires_at: Option<Timestamp>,
}

impl Answer for Invitation {
    fn text(&self) -> String {
        format!("Open this address in a browser and allow access:\n\n{}\n", self.authorize_url)
    }
}

/// Runs the flow and returns the new connection.
pub(super) async fn authorize(
    session: &Session,
    request: wire::AuthorizeConnectionRequest,
) -> Result<wire::Connection, Failure> {
    let before = connection(session).await?;
    let flow = session.ask(Party::Auth, session.connections()?.authorize_connection(request)).await?;
    let invitation = Invitation {
        expires_at: moment(flow.expire_time.as_ref()),
        authorize_url: flow.authorize_url,
        redirect_uri: flow.redirect_uri,
    };
    let limit = invitation.expires_at.map_or(LONGEST, |at| time_until(at, Timestamp::now()));
    let listener = listen(&invitation).await?;
    session.show(&invitation)?;
    let finished = async {
        match listener {
            Some(listener) => {
                listener
                    .take(async |callback| {
                        session.ask(Party::Auth, session.connections()?.complete_authorization(callback)).await
                    })
                    .await
            }
            None => elsewhere(session, before.as_ref()).await,
        }
    };
    let late = || Failure::new(Reason::OauthStateInvalid, "Nobody allowed access before the flow expired.");
    tokio::time::timeout(limit, finished).await.map_err(|_| late())?
}

/// Listens at the redirect URI; `None` when the callback goes to another machine or process, such as the console.
async fn listen(invitation: &Invitation) -> Result<Option<Listener>, Failure> {
    let unusable = |what: &str| Failure::internal(format!("auth answered {what} that is not a URL."));
    let redirect_uri: Url = invitation.redirect_uri.parse().map_err(|_| unusable("a redirect URI"))?;
    let authorize_url: Url = invitation.authorize_url.parse().map_err(|_| unusable("an authorize address"))?;
    if !callback::is_loopback(&redirect_uri) {
        remark("The callback is taken by the console; waiting for it.");
        return Ok(None);
    }
    let state = authorize_url.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    let state = state.ok_or_else(|| Failure::internal("auth's authorize address carries no state."))?;
    match Listener::bind(&redirect_uri, state).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => {
            remark(&format!("{redirect_uri} is not free ({error}); waiting for who listens there."));
            Ok(None)
        }
    }
}

/// Waits until the connection is another one than `before`.
async fn elsewhere(session: &Session, before: Option<&wire::Connection>) -> Result<wire::Connection, Failure> {
    loop {
        tokio::time::sleep(GLANCE).await;
        match connection(session).await {
            Ok(Some(now)) if is_new(before, &now) => return Ok(now),
            Ok(_) => {}
            Err(failure) if failure.is(Reason::DependencyUnavailable) => {}
            Err(failure) => return Err(failure),
        }
    }
}

fn is_new(before: Option<&wire::Connection>, now: &wire::Connection) -> bool {
    let fresh = before.is_none_or(|before| (before.epoch, before.connect_time) != (now.epoch, now.connect_time));
    fresh && now.state() == wire::GrantState::Active
}

async fn connection(session: &Session) -> Result<Option<wire::Connection>, Failure> {
    let request = wire::GetConnectionRequest { workspace_id: session.workspace()? };
    match session.ask(Party::Auth, session.connections()?.get_connection(request)).await {
        Ok(connection) => Ok(Some(connection)),
        Err(failure) if failure.is(Reason::NotConnected) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn time_until(end: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_connection_that_was_not_there_before_is_new() {
        let connection = |epoch, state: wire::GrantState| wire::Connection {
            epoch,
            state: state as i32,
            ..wire::Connection::default()
        };
        let first = connection(1, wire::GrantState::Active);
        assert!(is_new(None, &first));
        assert!(!is_new(Some(&first), &first));
        assert!(is_new(Some(&first), &connection(2, wire::GrantState::Active)));
        assert!(!is_new(Some(&first), &connection(2, wire::GrantState::Disconnecting)));
    }

    #[test]
    fn a_flow_that_is_over_leaves_no_time() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let end = "2026-01-01T00:10:00Z".parse().unwrap();
        assert_eq!(time_until(end, now), Duration::from_secs(600));
        assert_eq!(time_until(now, end), Duration::ZERO);
    }
}

//! The OAuth callback: finishes only a flow that this session began by POST.

use axum::extract::RawQuery;
use axum::response::Response;
use contract::auth::v1::CompleteAuthorizationRequest;
use contract::error::Reason;

use super::{Choice, Faults, form};
use crate::peers::{ACTION, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Ground, Notice, Outcome, ROOT, Visit, see};

/// Takes the browser back from Salesforce.
pub(super) async fn take(mut visit: Visit, RawQuery(query): RawQuery) -> Outcome {
    let Some(request) = read(&query.unwrap_or_default()) else {
        return Ok(offer_again(&visit, &Choice::first(), &malformed()).await);
    };
    // Bound to the session: a callback that somebody else began, slipped to this browser, connects nothing.
    let Some(flow) = visit.session.take_flow(&request.state) else {
        return Ok(offer_again(&visit, &Choice::first(), &foreign()).await);
    };
    visit.save().await.map_err(|trouble| visit.refuse(&trouble))?;
    let mut connections = visit.peers().connections();
    match ask(Party::Auth, ACTION, connections.complete_authorization(request)).await {
        Ok(_) => Ok(see(&format!("{ROOT}/connect"), Some(Notice::Connected))),
        Err(trouble) => Ok(offer_again(&visit, &Choice::of(&flow), &trouble).await),
    }
}

/// Shows the form again: why it did not work, and everything that was chosen.
async fn offer_again(visit: &Visit, choice: &Choice, trouble: &Trouble) -> Response {
    let ground = Ground::of(visit).await;
    form(visit, &ground, trouble.status(), choice, &Faults::default(), Some(trouble))
}

fn foreign() -> Trouble {
    let message = "It was not begun in this session, was finished already, or took too long. Nothing was connected.";
    Trouble::new(Reason::OauthStateInvalid, crate::trouble::title(Reason::OauthStateInvalid), message)
        .advise("Choose below and connect again.")
}

fn malformed() -> Trouble {
    let title = crate::trouble::title(Reason::OauthCallbackMalformed);
    let message = "What came back from Salesforce is not complete. Nothing was connected.";
    Trouble::new(Reason::OauthCallbackMalformed, title, message).advise("Choose below and connect again.")
}

/// Reads the callback: each parameter at most once, and either a code or an error; `None` if it is malformed.
fn read(query: &str) -> Option<CompleteAuthorizationRequest> {
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
            return None;
        }
        *part = value.into_owned();
        seen.push(name);
    }
    let one = callback.code.is_empty() != callback.error.is_empty();
    (one && !callback.state.is_empty()).then_some(callback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_has_a_state_and_either_a_code_or_an_error_each_once() {
        assert_eq!(read("state=s&code=c%3D").unwrap().code, "c=");
        assert_eq!(read("state=s&error=access_denied&error_description=no").unwrap().error, "access_denied");
        for query in
            ["", "state=s", "code=c", "state=s&code=c&error=e", "state=s&state=t&code=c", "state=s&code=c&code=d"]
        {
            assert_eq!(read(query), None, "{query}");
        }
    }
}

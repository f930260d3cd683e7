//! The authorize page: consent, denial, and the errors no callback hears of.

use url::form_urlencoded::Serializer;

use super::grants::{AppSpec, Code};
use crate::wire::{Answer, Call};
use crate::world::World;

/// `GET` shows the consent page, `POST` is one of its two buttons.
pub(crate) fn authorize(world: &World, call: &Call) -> Answer {
    let request = if call.method == "POST" { Parameters(call.form()) } else { Parameters(pairs(&call.query)) };
    let app = match world.grants().app(request.value("client_id").unwrap_or("")) {
        Some(app) => app.clone(),
        None => return refused("invalid_client_id", "client identifier invalid"),
    };
    if !app.installed {
        return refused("invalid_client", "OAUTH_APPROVAL_ERROR_GENERIC: app must be installed into org");
    }
    let redirect_uri = request.value("redirect_uri").unwrap_or("").to_owned();
    let Ok(mut callback) = url::Url::parse(&redirect_uri) else {
        return refused("redirect_uri_mismatch", "redirect_uri must match configuration");
    };
    if !app.redirect_uris.is_empty() && !app.redirect_uris.contains(&redirect_uri) {
        return refused("redirect_uri_mismatch", "redirect_uri must match configuration");
    }
    let state = request.value("state").map(str::to_owned);
    let mut answer = |pairs: &[(&str, &str)]| {
        callback.query_pairs_mut().extend_pairs(pairs);
        if let Some(state) = &state {
            callback.query_pairs_mut().append_pair("state", state);
        }
        Answer::redirect(callback.to_string())
    };
    if request.value("response_type") != Some("code") {
        return answer(&[("error", "unsupported_response_type"), ("error_description", "response type not supported")]);
    }
    let challenge = request.value("code_challenge").filter(|challenge| !challenge.is_empty());
    let method = request.value("code_challenge_method").unwrap_or("S256");
    if method != "S256" || (challenge.is_none() && app.pkce_required) {
        return answer(&[("error", "invalid_request"), ("error_description", "missing required code challenge")]);
    }
    let automatic = request.value("sim_auto").or(world.config.auto_consent.then_some("allow"));
    let decision = if call.method == "POST" { request.value("decision") } else { automatic };
    match decision {
        None => consent_page(world, &app, &request),
        Some("allow") => {
            let Some((org, user)) = chosen_org(world, &request) else {
                return answer(&[("error", "access_denied"), ("error_description", "no such org")]);
            };
            let code = Code {
                client_id: app.client_id.clone(),
                org,
                user,
                redirect_uri: redirect_uri.clone(),
                challenge: challenge.map(str::to_owned),
                scope: request.value("scope").unwrap_or("refresh_token id api").to_owned(),
                made_ms: world.clock.now_ms(),
            };
            let code = world.grants().issue_code(code);
            answer(&[("code", &code)])
        }
        Some(_) => answer(&[("error", "access_denied"), ("error_description", "end-user denied authorization")]),
    }
}

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The org of `sim_org`, of `login_hint`, or the first.
fn chosen_org(world: &World, request: &Parameters) -> Option<(crate::id::Id, crate::id::Id)> {
    let orgs = world.read();
    let wanted = request.value("sim_org").filter(|id| !id.is_empty());
    let org = match (wanted, request.value("login_hint")) {
        (Some(id), _) => orgs.iter().find(|org| id.parse() == Ok(org.id))?,
        (None, Some(username)) if orgs.iter().any(|org| org.spec.username == username) => {
            orgs.iter().find(|org| org.spec.username == username)?
        }
        _ => orgs.first()?,
    };
    Some((org.id, org.user))
}

/// Salesforce shows its own page and calls nobody back.
fn refused(error: &str, description: &str) -> Answer {
    let query = Serializer::new(String::new())
        .append_pair("error", error)
        .append_pair("error_description", description)
        .finish();
    Answer::redirect(format!("/setup/secur/RemoteAccessErrorPage.apexp?{query}"))
}

/// The page that [`refused`] leads to.
pub(crate) fn error_page(call: &Call) -> Answer {
    let shown = |name: &str| escaped(&call.parameter(name).unwrap_or_default());
    Answer::html(
        200,
        format!(
            "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>OAuth Error</h1>\
             <p>We can't authorize you because of an OAuth error. For more information, contact your Salesforce administrator.</p>\
             <p>{} : {}</p></body></html>",
            shown("error"),
            shown("error_description")
        ),
    )
}

fn consent_page(world: &World, app: &AppSpec, request: &Parameters) -> Answer {
    let hidden: String = request
        .0
        .iter()
        .filter(|(name, _)| name != "sim_org")
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let chosen = chosen_org(world, request).map(|(org, _)| org);
    let orgs: String = world
        .read()
        .iter()
        .map(|org| {
            let selected = if Some(org.id) == chosen { " selected" } else { "" };
            format!(
                "<option value=\"{}\"{selected}>{} ({})</option>",
                org.id,
                escaped(&org.name),
                escaped(&org.spec.username)
            )
        })
        .collect();
    let scopes: String = request
        .value("scope")
        .unwrap_or("api refresh_token id")
        .split_whitespace()
        .map(|scope| format!("<li>{}</li>", escaped(scope)))
        .collect();
    Answer::html(
        200,
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Allow Access?</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <style>body{{font:16px/1.5 system-ui,sans-serif;background:#f4f6f9;margin:0;display:grid;place-items:center;min-height:100vh;color:#16325c}}\
             main{{background:#fff;padding:2rem;border-radius:.5rem;max-width:26rem;box-shadow:0 2px 8px #0002}}button{{font:inherit;padding:.5rem 1.5rem;\
             border-radius:.25rem;border:1px solid #0070d2;margin-right:.5rem;cursor:pointer}}button[value=allow]{{background:#0070d2;color:#fff}}select{{font:inherit;width:100%}}</style>\
             </head><body><main><h1>Allow Access?</h1><p><strong>{}</strong> is asking to:</p><ul>{scopes}</ul>\
             <form method=\"post\" action=\"/services/oauth2/authorize\">{hidden}<p><label>Org <select name=\"sim_org\">{orgs}</select></label></p>\
             <p><button name=\"decision\" value=\"allow\">Allow</button><button name=\"decision\" value=\"deny\">Deny</button></p></form>\
             <p><small>This is a simulated Salesforce.</small></p></main></body></html>",
            escaped(&app.name)
        ),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

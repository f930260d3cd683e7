//! The token endpoint and revocation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::grants::{AppSpec, BadCode, Refreshed, signature};
use crate::id::Id;
use crate::wire::{Answer, Call, FORM};
use crate::world::World;

/// An `error` and its description; HTTP 400 unless it says otherwise.
struct Denied {
    error: &'static str,
    description: &'static str,
}

fn denied(error: &'static str, description: &'static str) -> Denied {
    Denied { error, description }
}

/// What a grant type leads to.
struct Issued {
    org: Id,
    user: Id,
    scope: String,
    grant: Option<usize>,
    refresh: Option<String>,
}

/// `POST /services/oauth2/token`.
pub(crate) fn token(world: &World, call: &Call) -> Answer {
    if call.method != "POST" {
        return error(400, &denied("invalid_request", "must use HTTP POST"), None);
    }
    let form = call.form();
    let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let format = value("format").map(str::to_owned);
    let grant_type = value("grant_type").unwrap_or("").to_owned();
    world.book().stats.token_calls.entry(grant_type.clone()).and_modify(|count| *count += 1).or_insert(1);
    let outcome = match grant_type.as_str() {
        "" => Err(denied("invalid_request", "missing required parameter: grant_type")),
        "authorization_code" | "refresh_token" | "client_credentials" | "password" => {
            authenticated(world, call, &value).and_then(|app| Ok((issue(world, call, &app, &grant_type, &value)?, app)))
        }
        _ => Err(denied("unsupported_grant_type", "grant type not supported")),
    };
    match outcome {
        Ok((issued, app)) => answer(world, &app, issued, format.as_deref()),
        Err(refused) => error(400, &refused, format.as_deref()),
    }
}

/// The app, by form fields or HTTP Basic.
fn authenticated<'f>(world: &World, call: &Call, value: &impl Fn(&str) -> Option<&'f str>) -> Result<AppSpec, Denied> {
    let basic = call.header("authorization").and_then(|header| header.strip_prefix("Basic ")).and_then(|encoded| {
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some((unescaped(id), unescaped(secret)))
    });
    let (client_id, secret) = match basic {
        Some((id, secret)) => (id, Some(secret)),
        None => (value("client_id").unwrap_or("").to_owned(), value("client_secret").map(str::to_owned)),
    };
    if client_id.is_empty() {
        return Err(denied("invalid_request", "missing required parameter: client_id"));
    }
    let app =
        world.grants().app(&client_id).cloned().ok_or(denied("invalid_client_id", "client identifier invalid"))?;
    if secret.as_deref() != Some(&app.client_secret) {
        return Err(denied("invalid_client", "invalid client credentials"));
    }
    Ok(app)
}

/// RFC 6749 form-encodes both halves of the Basic header; plain text without `%` or `+` is the same.
fn unescaped(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let pair = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

fn issue<'f>(
    world: &World,
    call: &Call,
    app: &AppSpec,
    grant_type: &str,
    value: &impl Fn(&str) -> Option<&'f str>,
) -> Result<Issued, Denied> {
    let now_ms = world.clock.now_ms();
    match grant_type {
        "authorization_code" => {
            let code = value("code").ok_or(denied("invalid_request", "missing required parameter: code"))?;
            let redirect_uri = value("redirect_uri").unwrap_or("");
            let mut grants = world.grants();
            let code =
                grants.redeem(code, &app.client_id, redirect_uri, value("code_verifier"), now_ms).map_err(|bad| {
                    match bad {
                        BadCode::Unknown => denied("invalid_grant", "invalid authorization code"),
                        BadCode::Expired => denied("invalid_grant", "expired authorization code"),
                        BadCode::Verifier => denied("invalid_grant", "invalid code verifier"),
                        BadCode::RedirectUri => {
                            denied("redirect_uri_mismatch", "redirect_uri must match configuration")
                        }
                    }
                })?;
            active(world, code.org)?;
            let (grant, refresh) = grants.approve(&app.client_id, code.org, code.user, &code.scope);
            Ok(Issued { org: code.org, user: code.user, scope: code.scope, grant: Some(grant), refresh })
        }
        "refresh_token" => {
            let token =
                value("refresh_token").ok_or(denied("invalid_request", "missing required parameter: refresh_token"))?;
            let outcome = world.grants().refresh(token, &app.client_id, app.rotation);
            match outcome {
                Refreshed::Alive { grant, rotated } => {
                    let known = world.grants().grant(grant).clone();
                    active(world, known.org)?;
                    Ok(Issued {
                        org: known.org,
                        user: known.user,
                        scope: known.scope,
                        grant: Some(grant),
                        refresh: rotated,
                    })
                }
                Refreshed::Reused => {
                    world.book().stats.reuse_detections += 1;
                    Err(denied("invalid_grant", "expired access/refresh token"))
                }
                Refreshed::Dead => Err(denied("invalid_grant", "expired access/refresh token")),
            }
        }
        "client_credentials" => {
            if !app.client_credentials {
                return Err(denied("invalid_grant", "no client credentials user enabled"));
            }
            let orgs = world.read();
            // The flow works on My Domain, so the host says which org is meant.
            let host = call.header("host").unwrap_or("");
            let of_host = orgs
                .iter()
                .find(|org| org.instance_url.as_ref().is_some_and(|url| url.split("://").nth(1) == Some(host)));
            let wanted = value("sim_org").and_then(|id| id.parse::<Id>().ok());
            let named = wanted.map_or(of_host.or(orgs.first()), |wanted| orgs.iter().find(|org| org.id == wanted));
            let org = named.ok_or(denied("invalid_grant", "authentication failure"))?;
            if !org.user_active {
                return Err(denied("invalid_grant", "inactive user"));
            }
            Ok(Issued { org: org.id, user: org.user, scope: "id api".to_owned(), grant: None, refresh: None })
        }
        _ => {
            let (username, password) = (value("username").unwrap_or(""), value("password").unwrap_or(""));
            let (org, user) =
                world.log_in(username, password).ok_or(denied("invalid_grant", "authentication failure"))?;
            active(world, org)?;
            Ok(Issued { org, user, scope: "id api".to_owned(), grant: None, refresh: None })
        }
    }
}

fn active(world: &World, org: Id) -> Result<(), Denied> {
    match world.read().iter().find(|known| known.id == org) {
        Some(org) if org.user_active => Ok(()),
        _ => Err(denied("invalid_grant", "inactive user")),
    }
}

fn answer(world: &World, app: &AppSpec, issued: Issued, format: Option<&str>) -> Answer {
    let now_ms = world.clock.now_ms();
    let access = world.grants().open_session(issued.org, issued.user, &issued.scope, issued.grant, now_ms);
    let id = format!("{}/id/{}/{}", world.base_url(), issued.org, issued.user);
    let issued_at = now_ms.to_string();
    let mut body = json!({
        "access_token": access, "signature": signature(&app.client_secret, &id, &issued_at), "scope": issued.scope,
        "instance_url": world.instance_url(issued.org), "id": id, "token_type": "Bearer", "issued_at": issued_at
    });
    if let Some(refresh) = issued.refresh {
        body["refresh_token"] = json!(refresh);
    }
    formatted(200, &body, format)
}

fn error(status: u16, denied: &Denied, format: Option<&str>) -> Answer {
    formatted(status, &json!({ "error": denied.error, "error_description": denied.description }), format)
}

/// The body as JSON, or as a form or XML where `format` asks for it.
fn formatted(status: u16, body: &Json, format: Option<&str>) -> Answer {
    let pairs: Vec<(String, String)> = body
        .as_object()
        .map(|object| {
            object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        })
        .unwrap_or_default();
    let answer = match format {
        Some("urlencoded") => {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            Answer::new(status, FORM, text)
        }
        Some("xml") => {
            let fields: String =
                pairs.iter().map(|(name, value)| format!("<{name}>{}</{name}>", super::soap::escaped(value))).collect();
            Answer::new(
                status,
                "application/xml;charset=UTF-8",
                format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><OAuth>{fields}</OAuth>"),
            )
        }
        _ => Answer::json(status, body),
    };
    answer.with("cache-control", "no-cache, no-store").with("pragma", "no-cache")
}

/// `/services/oauth2/revoke`, POST or GET.
pub(crate) fn revoke(world: &World, call: &Call) -> Answer {
    let token = call
        .form()
        .into_iter()
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value)
        .or_else(|| call.parameter("token"));
    let revoked = token.as_deref().is_some_and(|token| world.grants().revoke(token));
    let callback = call.parameter("callback");
    match (revoked, callback) {
        (true, None) => Answer::empty(200),
        (true, Some(callback)) => Answer::new(200, "application/javascript", format!("{callback}({{}});")),
        (false, Some(callback)) => {
            Answer::new(200, "application/javascript", format!("{callback}({{\"error\":\"invalid_token\"}});"))
        }
        (false, None) => Answer::new(400, FORM, "error=invalid_token&error_description=invalid+token"),
    }
}

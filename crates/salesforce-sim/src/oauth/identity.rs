//! Who a token belongs to.

use serde_json::json;

use crate::id::Id;
use crate::wire::{Answer, Call};
use crate::world::World;

fn plain(status: u16, text: &str) -> Answer {
    Answer::new(status, "text/plain;charset=UTF-8", text)
}

/// `GET /id/<org>/<user>`.
pub(crate) fn identity(world: &World, call: &Call) -> Answer {
    let Some(token) = call.token().map(str::to_owned).or_else(|| call.parameter("oauth_token")) else {
        return plain(403, "Missing_OAuth_Token");
    };
    let Some(session) = world.session(&token) else {
        return plain(403, "Bad_OAuth_Token");
    };
    let segments = call.segments();
    let ids = segments
        .get(1)
        .and_then(|org| org.parse::<Id>().ok())
        .zip(segments.get(2).and_then(|user| user.parse::<Id>().ok()));
    match ids {
        None => return plain(404, "Bad_Id"),
        Some((org, _)) if org != session.org => return plain(403, "Wrong_Org"),
        Some((_, user)) if user != session.user => return plain(404, "No_Access"),
        Some(_) => {}
    }
    let redirect = world.config.identity_redirect.clone();
    if let Some(host) = redirect.filter(|_| call.parameter("redirected").is_none()) {
        return Answer::redirect(format!("{host}{}?redirected=1", call.path));
    }
    let base = world.base_url();
    let instance = world.instance_url(session.org);
    let username =
        world.read().iter().find(|org| org.id == session.org).map(|org| org.spec.username.clone()).unwrap_or_default();
    let data = format!("{instance}/services/data/v{{version}}");
    Answer::json(
        200,
        &json!({
            "id": format!("{base}/id/{}/{}", session.org, session.user), "asserted_user": true, "user_id": session.user,
            "organization_id": session.org, "username": username, "nick_name": "sync1.1e-2", "display_name": "Sync User",
            "email": username, "email_verified": true, "first_name": "Sync", "last_name": "User", "timezone": "Europe/Helsinki",
            "photos": { "picture": format!("{instance}/profilephoto/005/F"), "thumbnail": format!("{instance}/profilephoto/005/T") },
            "addr_street": null, "addr_city": null, "addr_state": null, "addr_country": "FI", "addr_zip": null, "mobile_phone": null,
            "status": { "created_date": null, "body": null },
            "urls": { "rest": format!("{data}/"), "custom_domain": instance, "sobjects": format!("{data}/sobjects/"), "query": format!("{data}/query/") },
            "active": true, "user_type": "STANDARD", "language": "en_US", "locale": "fi_FI", "utcOffset": 7_200_000,
            "last_modified_date": "2026-03-02T09:14:55Z"
        }),
    )
}

/// `GET /services/oauth2/userinfo`.
pub(crate) fn userinfo(world: &World, call: &Call) -> Answer {
    let Some(session) = call.token().and_then(|token| world.session(token)) else {
        return plain(403, "Bad_OAuth_Token");
    };
    let username =
        world.read().iter().find(|org| org.id == session.org).map(|org| org.spec.username.clone()).unwrap_or_default();
    Answer::json(
        200,
        &json!({
            "sub": format!("{}/id/{}/{}", world.base_url(), session.org, session.user), "user_id": session.user,
            "organization_id": session.org, "preferred_username": username, "nickname": "sync1.1e-2", "name": "Sync User",
            "email": username, "email_verified": true, "given_name": "Sync", "family_name": "User", "zoneinfo": "Europe/Helsinki",
            "active": true, "user_type": "STANDARD", "language": "en_US", "locale": "fi_FI", "utcOffset": 7_200_000,
            "updated_at": "2026-03-02T09:14:55Z"
        }),
    )
}

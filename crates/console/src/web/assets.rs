//! Style, script and icons: part of the program, named by their content, kept by browsers for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::session::hash;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
    hash: String,
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    let asset = |name, media_type, body: &'static str| {
        let hash = hash(body).chars().take(16).collect();
        Asset { name, media_type, body, hash }
    };
    [
        asset("app.css", "text/css; charset=utf-8", include_str!("../../static/app.css")),
        asset("app.js", "text/javascript; charset=utf-8", include_str!("../../static/app.js")),
        asset("icons.svg", "image/svg+xml", include_str!("../../static/icons.svg")),
        asset("favicon.svg", "image/svg+xml", include_str!("../../static/favicon.svg")),
    ]
});

/// Returns the address of an asset; empty for one that is not there.
pub(crate) fn url_of(name: &str) -> String {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    found.map(|asset| format!("/static/{}/{}", asset.hash, asset.name)).unwrap_or_default()
}

/// Answers with an asset; only its present content has an address.
pub(super) async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().find(|asset| asset.name == name && asset.hash == hash);
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_that_pages_name_is_there_under_its_content() {
        for name in ["app.css", "app.js", "icons.svg", "favicon.svg"] {
            assert_eq!(url_of(name).split('/').nth(2).map(str::len), Some(16), "{name}");
        }
        assert_eq!(url_of("other.js"), "");
    }
}

//! An OpenID provider for one test: discovery, keys, authorize, token; strict about PKCE and codes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::PrivateSigningKey as _;
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};

pub(crate) const CLIENT: &str = "lane";

/// A provider that runs until the test ends.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    state: Arc<Inner>,
    _server: tokio::task::JoinSet<()>,
}

struct Inner {
    issuer: String,
    /// Claims of whoever signs in next.
    claims: Mutex<Value>,
    /// By code: nonce and challenge.
    codes: Mutex<HashMap<String, (String, String)>>,
    /// The key in use.
    key: Mutex<CoreEdDsaPrivateSigningKey>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Inner {
            issuer: issuer.clone(),
            claims: Mutex::new(json!({})),
            codes: Mutex::default(),
            key: Mutex::new(new_key("k1")),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, state, _server: server }
    }

    /// Says who signs in next.
    pub(crate) fn next_is(&self, claims: Value) {
        *self.state.claims.lock().unwrap() = claims;
    }

    /// Changes the key, as providers do.
    pub(crate) fn rotate(&self) {
        *self.state.key.lock().unwrap() = new_key("k2");
    }
}

fn new_key(id: &str) -> CoreEdDsaPrivateSigningKey {
    // PKCS #8 of an Ed25519 key is these 16 bytes and 32 random ones.
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    der.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new(id.to_owned()))).unwrap()
}

async fn discovery(State(state): State<Arc<Inner>>) -> Json<Value> {
    let issuer = &state.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(state): State<Arc<Inner>>) -> Json<Value> {
    let key = state.key.lock().unwrap().as_verification_key();
    Json(json!({ "keys": [key] }))
}

async fn authorize(State(state): State<Arc<Inner>>, Query(asked): Query<HashMap<String, String>>) -> Redirect {
    assert_eq!(asked["client_id"], CLIENT);
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert!(asked["scope"].split(' ').any(|scope| scope == "openid"), "{}", asked["scope"]);
    let code = uuid::Uuid::new_v4().to_string();
    state.codes.lock().unwrap().insert(code.clone(), (asked["nonce"].clone(), asked["code_challenge"].clone()));
    Redirect::to(&format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]))
}

async fn token(State(state): State<Arc<Inner>>, Form(asked): Form<HashMap<String, String>>) -> Response {
    let known = state.codes.lock().unwrap().remove(&asked["code"]);
    let verifier = PkceCodeVerifier::new(asked["code_verifier"].clone());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    let Some((nonce, _)) = known.filter(|(_, expected)| expected == challenge.as_str()) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({ "iss": state.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, "sub": "u1" });
    let extra = state.claims.lock().unwrap().clone();
    claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let key = state.key.lock().unwrap();
    let kid = key.as_verification_key();
    let kid = serde_json::to_value(&kid).unwrap()["kid"].clone();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid })), part(claims));
    let signature = key.sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap();
    let id_token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
    Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token })).into_response()
}

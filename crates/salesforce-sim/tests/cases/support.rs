//! A client as plain as can be, so that what is tested is the simulator.

use std::collections::HashMap;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use salesforce_sim::{AppSpec, Config, Id, Seed, Simulator};
use serde_json::Value as Json;

pub(super) const DATA: &str = "/services/data/v67.0";
pub(super) const CALLBACK: &str = "https://app.example.test/oauth/salesforce/callback";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// One answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code and message of the one error entry.
    pub(super) fn refusal(&self) -> (String, String) {
        let body = self.json();
        let entry = &body[0];
        let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        (text("errorCode"), text("message"))
    }
}

pub(super) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A simulator, a session in its first org, and a way to ask.
pub(super) struct World {
    pub(super) sim: Simulator,
    pub(super) http: reqwest::Client,
    pub(super) token: String,
}

pub(super) async fn world(seed: Seed) -> World {
    world_of(Config { seed: Some(seed), ..Config::default() }).await
}

pub(super) async fn empty_world() -> World {
    world_of(Config::default()).await
}

pub(super) async fn world_of(config: Config) -> World {
    let sim = Simulator::start(config);
    let http = http();
    let body =
        form(&http, &format!("{}/services/oauth2/token", sim.url()), &credentials("client_credentials", &[])).await;
    let token = body.json()["access_token"].as_str().unwrap().to_owned();
    World { sim, http, token }
}

pub(super) fn seed(accounts: usize, contacts: usize, leads: usize) -> Seed {
    Seed { accounts, contacts, leads, ..Seed::default() }
}

/// The form of a token request by the default app.
pub(super) fn credentials(grant_type: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let app = AppSpec::default();
    let mut fields = vec![
        ("grant_type".to_owned(), grant_type.to_owned()),
        ("client_id".to_owned(), app.client_id),
        ("client_secret".to_owned(), app.client_secret),
    ];
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

pub(super) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

pub(super) async fn form(http: &reqwest::Client, url: &str, fields: &[(String, String)]) -> Answer {
    answer(http.post(url).form(fields)).await
}

impl World {
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sim.url())
    }

    pub(super) fn asking(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(path)).bearer_auth(&self.token)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        answer(self.asking(path)).await
    }

    /// Asks a query; the answer as it comes.
    pub(super) async fn ask(&self, resource: &str, soql: &str) -> Answer {
        answer(self.asking(&format!("{DATA}/{resource}")).query(&[("q", soql)])).await
    }

    pub(super) async fn query(&self, soql: &str) -> Json {
        let answer = self.ask("query", soql).await;
        assert_eq!(answer.status, 200, "{soql}: {}", answer.text);
        answer.json()
    }

    pub(super) async fn query_all(&self, soql: &str) -> Json {
        self.ask("queryAll", soql).await.json()
    }

    /// Every page of a query, with a batch size if one is given.
    pub(super) async fn pages(&self, soql: &str, batch: Option<usize>) -> Vec<Json> {
        let options = batch.map(|size| format!("batchSize={size}"));
        let with = |request: reqwest::RequestBuilder| match &options {
            Some(options) => request.header("Sforce-Query-Options", options),
            None => request,
        };
        let mut page = answer(with(self.asking(&format!("{DATA}/query")).query(&[("q", soql)]))).await.json();
        let mut pages = Vec::new();
        loop {
            let next = page["nextRecordsUrl"].as_str().map(str::to_owned);
            pages.push(page);
            match next {
                Some(next) => page = self.get(&next).await.json(),
                None => return pages,
            }
        }
    }

    pub(super) async fn post(&self, path: &str, body: &Json) -> Answer {
        answer(self.http.post(self.url(path)).bearer_auth(&self.token).json(body)).await
    }

    pub(super) async fn token_call(&self, grant_type: &str, more: &[(&str, &str)]) -> Answer {
        form(&self.http, &self.url("/services/oauth2/token"), &credentials(grant_type, more)).await
    }

    /// Follows the automatic consent and exchanges the code.
    pub(super) async fn connect(&self) -> Json {
        let code = self.code("allow").await["code"].clone();
        let answer = self
            .token_call(
                "authorization_code",
                &[("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)],
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// What the callback gets.
    pub(super) async fn code(&self, decision: &str) -> HashMap<String, String> {
        let answer = answer(self.http.get(self.url("/services/oauth2/authorize")).query(&[
            ("response_type", "code"),
            ("client_id", &AppSpec::default().client_id),
            ("redirect_uri", CALLBACK),
            ("scope", "api refresh_token id"),
            ("state", "opaque state/+"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("sim_auto", decision),
        ]))
        .await;
        assert_eq!(answer.status, 302, "{}", answer.text);
        let callback = url::Url::parse(answer.header("location").unwrap()).unwrap();
        assert!(callback.as_str().starts_with(CALLBACK));
        callback.query_pairs().into_owned().collect()
    }
}

pub(super) fn ids_of(page: &Json) -> Vec<Id> {
    page["records"].as_array().unwrap().iter().map(|record| record["Id"].as_str().unwrap().parse().unwrap()).collect()
}

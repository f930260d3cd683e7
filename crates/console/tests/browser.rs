//! A browser without JavaScript: cookies, forms, redirects; nothing that a person could not do.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, StatusCode, Url, redirect};

/// Who looks at the console.
pub(crate) struct Browser {
    http: Client,
    origin: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Path and query of the request that this answers.
    pub(crate) address: String,
}

impl Browser {
    pub(crate) fn new(origin: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, origin: origin.trim_end_matches('/').to_owned(), cookies: Mutex::default() }
    }

    /// A second browser with the same cookies: what a thief of the cookie would have.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(&self.origin);
        copy.cookies.lock().unwrap().clone_from(&self.cookies.lock().unwrap());
        copy
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Fetches one page, not following.
    pub(crate) async fn get(&self, path: &str) -> Page {
        let request = self.http.get(self.address(path)).header("cookie", self.sent());
        self.read(path, request.send().await.unwrap()).await
    }

    /// Fetches a page of the console, following its own redirects.
    pub(crate) async fn open(&self, path: &str) -> Page {
        let mut page = self.get(path).await;
        for _ in 0..5 {
            let Some(next) = page.location().filter(|next| next.starts_with('/')) else { break };
            page = self.get(&next).await;
        }
        page
    }

    /// Sends a form as it stands on `page`, with `values` filled in, as this browser would.
    pub(crate) async fn submit(&self, page: &Page, path: &str, values: &[(&str, &str)]) -> Page {
        let csrf = page.csrf().unwrap_or_else(|| panic!("no form on {}:\n{}", page.address, page.body));
        let mut form = vec![("csrf", csrf.as_str())];
        form.extend_from_slice(values);
        self.post(path, &form, Some(&self.origin.clone())).await
    }

    /// Sends whatever form with whatever Origin.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)], origin: Option<&str>) -> Page {
        let mut request = self.http.post(self.address(path)).header("cookie", self.sent()).form(form);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        self.read(path, request.send().await.unwrap()).await
    }

    /// Signs in as somebody of a workspace.
    pub(crate) async fn sign_in(&self, workspace: &str, name: &str, role: &str) {
        let page = self.open("/integrations/salesforce").await;
        let values = [("workspace", workspace), ("name", name), ("role", role), ("next", "/integrations/salesforce")];
        let answer = self.submit(&page, "/sign-in", &values).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }

    pub(crate) fn http(&self) -> &Client {
        &self.http
    }

    pub(crate) fn address(&self, path: &str) -> Url {
        Url::parse(&self.origin).unwrap().join(path).unwrap()
    }

    pub(crate) fn sent(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn read(&self, path: &str, answer: reqwest::Response) -> Page {
        let (status, headers) = (answer.status(), answer.headers().clone());
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if line.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { status, headers, body: answer.text().await.unwrap(), address: path.to_owned() }
    }
}

impl Page {
    pub(crate) fn location(&self) -> Option<String> {
        Some(self.headers.get(LOCATION)?.to_str().unwrap().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The token of the forms on this page.
    pub(crate) fn csrf(&self) -> Option<String> {
        self.value_of("csrf")
    }

    /// The value of the hidden field `name`.
    pub(crate) fn value_of(&self, name: &str) -> Option<String> {
        let rest = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
        Some(rest.split('"').next().unwrap().to_owned())
    }

    /// `data-state` of the page.
    pub(crate) fn state(&self) -> &str {
        let rest = self.body.split("<main id=\"main\" data-state=\"").nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default()
    }

    /// The one heading of the page.
    pub(crate) fn heading(&self) -> &str {
        assert_eq!(self.body.matches("<h1>").count(), 1, "{} has not one h1:\n{}", self.address, self.body);
        self.body.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap()
    }
}

//! A request and an answer, without the network around them.

use serde_json::Value as Json;

use crate::refusal::Refusal;

/// One request, read whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path as sent, still percent-encoded.
    pub(crate) path: String,
    /// The query string as sent.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query string, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The fields of a form body, decoded.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The path's segments, decoded, without empty ones.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|segment| !segment.is_empty()).map(percent_decoded).collect()
    }

    /// The bearer or OAuth token.
    pub(crate) fn token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then(|| token.trim())
    }

    pub(crate) fn json(&self) -> Result<Json, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad("JSON_PARSER_ERROR", format!("Unexpected character: {error}")))
    }
}

fn percent_decoded(text: &str) -> String {
    // A plus in a path is a plus.
    let escaped = text.replace('+', "%2B");
    let whole = format!("v={escaped}");
    url::form_urlencoded::parse(whole.as_bytes())
        .next()
        .map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

/// One answer, whole; what cuts or delays it comes later.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const JSON: &str = "application/json;charset=UTF-8";
pub(crate) const HTML: &str = "text/html; charset=UTF-8";
pub(crate) const CSV: &str = "text/csv; charset=UTF-8";
pub(crate) const XML: &str = "text/xml; charset=utf-8";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::new(status, JSON, body.to_string())
    }

    pub(crate) fn html(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, HTML, body.into())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, "", Vec::new())
    }

    pub(crate) fn redirect(to: String) -> Self {
        Self::empty(302).with("location", to)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The body as JSON, for composite answers.
    pub(crate) fn body_json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or(Json::Null)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, &Json::Array(vec![refusal.entry()]))
    }
}

impl From<Result<Answer, Refusal>> for Answer {
    fn from(outcome: Result<Answer, Refusal>) -> Self {
        outcome.unwrap_or_else(Self::from)
    }
}

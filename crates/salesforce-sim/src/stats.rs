//! What was asked of the simulator.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::Id;

/// Requests beyond this many are counted, not recorded.
const MOST_RECORDED: usize = 100_000;

/// One request as it came in. Tokens and secrets are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// GET, POST…
    pub method: String,
    /// The path without the query string.
    pub path: String,
    /// What kind of request it was.
    pub endpoint: Endpoint,
    /// The Host header.
    pub host: String,
    /// The org of the session, if there was a valid one.
    pub org: Option<Id>,
    /// The SOQL text of a query or of a Bulk job.
    pub soql: Option<String>,
    /// The status answered; 0 where the connection was reset instead.
    pub status: u16,
}

/// Counters since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests per endpoint.
    pub calls: BTreeMap<Endpoint, u64>,
    /// Requests per org and endpoint.
    pub calls_by_org: BTreeMap<String, BTreeMap<Endpoint, u64>>,
    /// Calls that count against the daily limit, per org.
    pub api_calls: BTreeMap<String, u64>,
    /// Calls of the token endpoint per grant type.
    pub token_calls: BTreeMap<String, u64>,
    /// Rotated-out refresh tokens that were presented again.
    pub reuse_detections: u64,
    /// Bytes of bodies sent, before compression.
    pub body_bytes: u64,
}

impl Stats {
    /// Calls of one endpoint.
    pub fn calls_of(&self, endpoint: Endpoint) -> u64 {
        self.calls.get(&endpoint).copied().unwrap_or(0)
    }

    /// Calls that count against the daily limit, of every org.
    pub fn all_api_calls(&self) -> u64 {
        self.api_calls.values().sum()
    }
}

/// The counters and the requests behind them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) stats: Stats,
    pub(crate) requests: Vec<Recorded>,
}

impl Book {
    pub(crate) fn enter(&mut self, request: Recorded, body_bytes: usize) {
        let endpoint = request.endpoint;
        *self.stats.calls.entry(endpoint).or_default() += 1;
        self.stats.body_bytes += body_bytes as u64;
        if let Some(org) = request.org {
            *self.stats.calls_by_org.entry(org.to_string()).or_default().entry(endpoint).or_default() += 1;
            if endpoint.counts() {
                *self.stats.api_calls.entry(org.to_string()).or_default() += 1;
            }
        }
        if self.requests.len() < MOST_RECORDED {
            self.requests.push(request);
        }
    }
}

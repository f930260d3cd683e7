//! Starting and stopping, and the handle that tests hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use serde_json::{Map, Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::Command;
use crate::endpoint::Endpoint;
use crate::fault::FaultRule;
use crate::id::Id;
use crate::lifecycle::{Conversion, Converted};
use crate::listen::{Cut, Door, serve};
use crate::oracle::{Question, Verdict};
use crate::refusal::Refusal;
use crate::stats::{Recorded, Stats};
use crate::tls::Identity;
use crate::wire::{Answer, Call};
use crate::world::{Config, World};

/// An order that the simulator did not carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct NotDone {
    /// Why, as a code.
    pub code: String,
    /// Why, in words.
    pub message: String,
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message }
    }
}

/// A running simulated Salesforce. It has threads of its own, so it works under any runtime or none;
/// dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    ca_pem: Option<String>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts listening; the address is taken when this returns.
    ///
    /// # Panics
    /// Where the address can't be taken: a test has nothing better to do.
    pub fn start(config: Config) -> Self {
        Self::try_start(config).unwrap_or_else(|error| panic!("the simulator starts: {error}"))
    }

    /// Starts listening, or says why not.
    pub fn try_start(config: Config) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.worker_threads.max(1))
            .thread_name("salesforce-sim")
            .enable_all()
            .build()?;
        let (listener, address) = bind(&config.address)?;
        let secure = if config.tls {
            let (listener, secure) = bind("127.0.0.1:0")?;
            Some((Identity::new()?, listener, secure))
        } else {
            None
        };
        let base_url = match &secure {
            Some((_, _, secure)) => format!("https://localhost:{}", secure.port()),
            None => format!("http://{address}"),
        };
        let ca_pem = secure.as_ref().map(|(identity, _, _)| identity.ca_pem.clone());
        let world = Arc::new(World::new(config));
        world.set_base_url(base_url);
        let (stop, mut stopping) = watch::channel(false);
        let app = Router::new().fallback(serve).with_state(world.clone());
        let (door, secure_door) = {
            // Sockets belong to the runtime that serves them.
            let _inside = runtime.enter();
            let door = Door(TcpListener::from_std(listener)?);
            let secure = match secure {
                Some((identity, listener, _)) => Some(identity.door(TcpListener::from_std(listener)?)),
                None => None,
            };
            (door, secure)
        };
        let thread = std::thread::Builder::new().name("salesforce-sim".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let plain = axum::serve(door, app.clone().into_make_service_with_connect_info::<Cut>());
                let secure = async {
                    match secure_door {
                        Some(door) => axum::serve(door, app.into_make_service_with_connect_info::<Cut>()).await,
                        None => std::future::pending().await,
                    }
                };
                // Open keep-alive connections must not hold the end up: the runtime is dropped under them.
                tokio::select! {
                    _ = plain => {}
                    _ = secure => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { world, address, ca_pem, stop, thread: Some(thread) })
    }

    /// What a client of [`Config::tls`] has to trust, as PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The base URL: login host and, unless an org says otherwise, instance host.
    pub fn url(&self) -> String {
        self.world.base_url()
    }

    /// The address it listens on without TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops and waits until the port is free.
    pub async fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Carries out any order; the methods below are shorter ways to the common ones.
    pub fn order(&self, command: Command) -> Result<Json, NotDone> {
        Ok(self.world.obey(command)?)
    }

    /// The id of the first org.
    pub fn org_id(&self) -> Id {
        self.world.read().first().map(|org| org.id).expect("a simulator has an org")
    }

    /// Creates a record of the first org.
    pub fn create(&self, object: &str, fields: Json) -> Result<Id, NotDone> {
        let made =
            self.order(Command::Create { org: None, object: object.to_owned(), fields: map(fields), stamp: None })?;
        Ok(made["id"].as_str().and_then(|id| id.parse().ok()).expect("a created record has an id"))
    }

    /// Changes a record of the first org.
    pub fn update(&self, id: Id, fields: Json) -> Result<(), NotDone> {
        self.order(Command::Update { org: None, id, fields: map(fields), stamp: None }).map(drop)
    }

    /// Moves a record to the bin.
    pub fn delete(&self, id: Id) -> Result<(), NotDone> {
        self.order(Command::Delete { org: None, id, stamp: None }).map(drop)
    }

    /// Takes a record out of the bin.
    pub fn undelete(&self, id: Id) -> Result<(), NotDone> {
        self.order(Command::Undelete { org: None, id, stamp: None }).map(drop)
    }

    /// Removes a record for good.
    pub fn purge(&self, id: Id) -> Result<(), NotDone> {
        self.order(Command::Purge { org: None, id, at: None }).map(drop)
    }

    /// Merges losers into a master.
    pub fn merge(&self, master: Id, losers: &[Id]) -> Result<(), NotDone> {
        self.order(Command::Merge { org: None, master, losers: losers.to_vec(), stamp: None }).map(drop)
    }

    /// Converts a lead.
    pub fn convert_lead(&self, lead: Id, how: Conversion) -> Result<Converted, NotDone> {
        let made = self.order(Command::ConvertLead { org: None, lead, how, stamp: None })?;
        Ok(serde_json::from_value(made).expect("a conversion answers what it made"))
    }

    /// A record as the store holds it, by field name; empty fields are left out.
    pub fn record(&self, id: Id) -> Result<Map<String, Json>, NotDone> {
        self.order(Command::Record { org: None, id }).map(map)
    }

    /// Live records of an object, in id order.
    pub fn ids(&self, object: &str) -> Result<Vec<Id>, NotDone> {
        let ids = self.order(Command::Ids { org: None, object: object.to_owned(), state: None, limit: None })?;
        Ok(serde_json::from_value(ids).expect("a list of ids"))
    }

    /// Adds a fault.
    pub fn fault(&self, rule: FaultRule) {
        self.world.faults().add(rule);
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        self.world.faults().clear();
    }

    /// Faults that are still to strike.
    pub fn pending_faults(&self) -> Vec<FaultRule> {
        self.world.faults().pending()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.world.book().stats.clone()
    }

    /// The recorded requests.
    pub fn requests(&self) -> Vec<Recorded> {
        self.world.book().requests.clone()
    }

    /// The recorded requests of one endpoint.
    pub fn requests_of(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.world.book().requests.iter().filter(|request| request.endpoint == endpoint).cloned().collect()
    }

    /// Counters and requests back to nothing.
    pub fn reset_stats(&self) {
        *self.world.book() = crate::stats::Book::default();
    }

    /// What Lane must hold.
    pub fn oracle(&self, question: Question) -> Result<Verdict, NotDone> {
        let orgs = self.world.read();
        let org = orgs.iter().find(|org| question.org.is_none_or(|wanted| org.id == wanted));
        let org = org.ok_or_else(|| Refusal::new(404, "NOT_FOUND", "no such org"))?;
        Ok(crate::oracle::answer(org, &question)?)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end();
    }
}

fn bind(address: &str) -> std::io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn map(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// `POST /sim/<op>`: the orders over HTTP.
pub(crate) fn control(world: &World, call: &Call) -> Answer {
    let op = call.path.trim_start_matches("/sim/").trim_end_matches('/');
    let body = if call.body.is_empty() { json!({}) } else { serde_json::from_slice(&call.body).unwrap_or(Json::Null) };
    let Json::Object(mut order) = body else {
        return Refusal::bad("JSON_PARSER_ERROR", "the body must be a JSON object").into();
    };
    order.insert("op".to_owned(), json!(op));
    match serde_json::from_value::<Command>(Json::Object(order)) {
        Ok(command) => match world.obey(command) {
            Ok(answer) => Answer::json(200, &answer),
            Err(refusal) => refusal.into(),
        },
        Err(error) => Refusal::bad("UNKNOWN_OP", error.to_string()).into(),
    }
}

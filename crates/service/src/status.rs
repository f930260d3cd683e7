//! What a process knows about itself and its dependencies; served as `lanesync.status.v1.StatusService`.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::convert::to_wire_time;
use contract::status::v1::status_service_server::{StatusService, StatusServiceServer};
use contract::status::v1::{DependencyStatus, GetServiceStatusRequest, ServiceStatus, WatchServiceStatusRequest};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use tokio_stream::wrappers::IntervalStream;
use tonic::{Request, Response, Status};

#[derive(Clone, Debug)]
struct Dependency {
    name: &'static str,
    required: bool,
    available: bool,
    since: Timestamp,
    last_error_reason: &'static str,
}

#[derive(Debug)]
struct Inner {
    service: &'static str,
    version: &'static str,
    begun: Instant,
    dependencies: Mutex<Vec<Dependency>>,
    work_in_hand: AtomicI64,
    lag: AtomicI64,
}

/// Where the parts of a process write down how they are; cheap to clone.
#[derive(Clone, Debug)]
pub struct Board(Arc<Inner>);

impl Board {
    /// Begins with no dependency.
    #[must_use]
    pub fn new(service: &'static str, version: &'static str) -> Self {
        Self(Arc::new(Inner {
            service,
            version,
            begun: Instant::now(),
            dependencies: Mutex::new(Vec::new()),
            work_in_hand: AtomicI64::new(0),
            lag: AtomicI64::new(0),
        }))
    }

    /// Names a dependency; it counts as unavailable until told otherwise. Only `required` ones decide readiness.
    #[must_use]
    pub fn depends_on(self, name: &'static str, required: bool) -> Self {
        let dependency =
            Dependency { name, required, available: false, since: Timestamp::now(), last_error_reason: "" };
        self.lock().push(dependency);
        self
    }

    /// Notes that a dependency answered.
    pub fn up(&self, name: &'static str) {
        self.note(name, true, "");
    }

    /// Notes that a dependency failed, with a stable reason.
    pub fn down(&self, name: &'static str, reason: &'static str) {
        self.note(name, false, reason);
    }

    /// Adds to (or takes from) the work in hand.
    pub fn work(&self, change: i64) {
        self.0.work_in_hand.fetch_add(change, Ordering::Relaxed);
    }

    /// Notes how many messages wait.
    pub fn lag(&self, waiting: i64) {
        self.0.lag.store(waiting, Ordering::Relaxed);
    }

    /// Whether every required dependency is available.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().iter().all(|dependency| dependency.available || !dependency.required)
    }

    /// Returns the service that answers for this board.
    #[must_use]
    pub fn server(&self) -> StatusServiceServer<Self> {
        StatusServiceServer::new(self.clone())
    }

    fn note(&self, name: &'static str, available: bool, reason: &'static str) {
        let mut dependencies = self.lock();
        let Some(dependency) = dependencies.iter_mut().find(|dependency| dependency.name == name) else { return };
        if dependency.available != available {
            dependency.available = available;
            dependency.since = Timestamp::now();
            tracing::info!(dependency = name, available, reason, "dependency changed");
        }
        if !reason.is_empty() {
            dependency.last_error_reason = reason;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Dependency>> {
        // A panic while holding the lock leaves the list whole: every change is a single assignment.
        self.0.dependencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> ServiceStatus {
        let dependencies = self
            .lock()
            .iter()
            .map(|dependency| DependencyStatus {
                name: dependency.name.to_owned(),
                available: dependency.available,
                since: Some(to_wire_time(dependency.since)),
                last_error_reason: dependency.last_error_reason.to_owned(),
            })
            .collect();
        ServiceStatus {
            service: self.0.service.to_owned(),
            version: self.0.version.to_owned(),
            uptime: prost_duration(self.0.begun.elapsed()),
            dependencies,
            ready: self.is_ready(),
            work_in_hand: self.0.work_in_hand.load(Ordering::Relaxed),
            lag: self.0.lag.load(Ordering::Relaxed),
        }
    }
}

fn prost_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[tonic::async_trait]
impl StatusService for Board {
    async fn get_service_status(&self, _: Request<GetServiceStatusRequest>) -> Result<Response<ServiceStatus>, Status> {
        Ok(Response::new(self.snapshot()))
    }

    type WatchServiceStatusStream = Pin<Box<dyn Stream<Item = Result<ServiceStatus, Status>> + Send>>;

    async fn watch_service_status(
        &self,
        _: Request<WatchServiceStatusRequest>,
    ) -> Result<Response<Self::WatchServiceStatusStream>, Status> {
        let board = self.clone();
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_secs(1)));
        let mut last = None;
        let changes = ticks.filter_map(move |_| {
            let now = board.snapshot();
            // Uptime changes always; it alone is no news.
            let news = Some(ServiceStatus { uptime: None, ..now.clone() });
            let changed = news != last;
            last = news;
            futures::future::ready(changed.then_some(Ok(now)))
        });
        Ok(Response::new(changes.boxed()))
    }
}

//! What a new connection needs to bring its first records: mappings where there are none, and a run.

use std::time::{Duration, Instant};

use contract::error::Reason;
use contract::extractor::v1 as extractor;
use domain::Kind;
use serde::Serialize;

use crate::failure::Failure;
use crate::mapping;
use crate::run::{self, Run};
use crate::session::Session;
use crate::table::counted;

/// How long the other services may take to hear of the connection.
const HEARSAY: Duration = Duration::from_secs(30);
/// How long is waited between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// What was prepared.
#[derive(Debug, Serialize)]
pub(crate) struct FirstSync {
    mappings: Vec<Adopted>,
    /// Nothing when a run that this program was not told about is already in hand.
    run: Option<Run>,
}

/// The mapping of a kind.
#[derive(Debug, Serialize)]
struct Adopted {
    kind: &'static str,
    /// Whether suggestions were saved; otherwise a mapping existed.
    suggested: bool,
    entries: usize,
}

impl FirstSync {
    /// Returns the text for people.
    pub(crate) fn text(&self) -> String {
        let mappings = self.mappings.iter().map(|adopted| {
            let what = if adopted.suggested { "suggested" } else { "kept" };
            format!("{} mapping: {} {what}", adopted.kind, counted(adopted.entries, "field"))
        });
        let run = match &self.run {
            Some(run) => format!("first sync: run {} is {}", run.id(), run.phase()),
            None => "first sync: already running".to_owned(),
        };
        mappings.chain([run]).collect::<Vec<_>>().join("\n")
    }
}

/// Saves the suggested mappings where none exist and starts the first run.
pub(crate) async fn prepare(session: &Session) -> Result<FirstSync, Failure> {
    let mut mappings = Vec::new();
    for kind in Kind::ALL {
        mappings.push(patiently(|| adopt(session, kind)).await?);
    }
    let run = patiently(|| start(session)).await?;
    Ok(FirstSync { mappings, run })
}

async fn adopt(session: &Session, kind: Kind) -> Result<Adopted, Failure> {
    let existing = mapping::current(session, kind).await?;
    let (suggested, entries) = if existing.entries.is_empty() {
        let (_, saved) = mapping::adopt_suggestions(session, kind, existing).await?;
        (true, saved.map_or(0, |saved| saved.entry_count()))
    } else {
        (false, existing.entries.len())
    };
    Ok(Adopted { kind: kind.token(), suggested, entries })
}

async fn start(session: &Session) -> Result<Option<Run>, Failure> {
    match run::start(session, extractor::SyncScope::Changes, &[]).await {
        Ok(run) => Ok(Some(run)),
        Err(failure) if failure.is(Reason::SyncAlreadyRunning) => match failure.fact("runId") {
            Some(run_id) => run::look(session, run_id).await.map(Some),
            None => Ok(None),
        },
        Err(failure) => Err(failure),
    }
}

/// Repeats what fails only because a service has not heard of the connection yet: auth tells them one after another.
async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let begun = Instant::now();
    loop {
        match attempt().await {
            Err(failure) if is_hearsay(&failure) && begun.elapsed() < HEARSAY => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

fn is_hearsay(failure: &Failure) -> bool {
    [Reason::NotConnected, Reason::PlanRequired, Reason::ResourceNotFound, Reason::DependencyUnavailable]
        .into_iter()
        .any(|reason| failure.is(reason))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_service_that_has_not_heard_yet_is_asked_again() {
        let asked = Cell::new(0);
        let outcome = patiently(|| {
            asked.set(asked.get() + 1);
            let heard = asked.get() == 3;
            async move { if heard { Ok("run") } else { Err(Failure::new(Reason::NotConnected, "no")) } }
        })
        .await;
        assert_eq!((outcome, asked.get()), (Ok("run"), 3));
    }

    #[tokio::test]
    async fn what_time_does_not_heal_is_told_at_once() {
        let asked = Cell::new(0);
        let outcome: Result<(), _> = patiently(|| {
            asked.set(asked.get() + 1);
            async { Err(Failure::new(Reason::SalesforceAuthRevoked, "no")) }
        })
        .await;
        assert!(outcome.is_err_and(|failure| failure.is(Reason::SalesforceAuthRevoked)));
        assert_eq!(asked.get(), 1);
    }
}

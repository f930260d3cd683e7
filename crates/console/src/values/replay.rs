//! How far a save has come: stored records are mapped again, without Salesforce.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use contract::mapper::v1::{GetReplayRequest, Replay};
use futures::{Stream, StreamExt as _, stream};

use crate::peers::{PAGE, Party, ask};
use crate::web::Visit;
use crate::words::{count, number};

/// Where a replay stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) text: String,
    pub(super) done: i64,
    pub(super) about: i64,
    pub(super) is_live: bool,
}

impl Progress {
    /// Returns where a replay stands; `None` when there never was one.
    pub(super) fn of(replay: &Replay) -> Option<Self> {
        if replay.run_id.is_empty() {
            return None;
        }
        let about = replay.expected.max(replay.mapped);
        let text = if replay.done {
            "The last save is applied to every stored record.".to_owned()
        } else if replay.mapped < replay.expected {
            format!(
                "The last save is being applied: {} of {}.",
                number(replay.mapped),
                count(about, "record", "records")
            )
        } else {
            "The last save is being applied: the last records are being written.".to_owned()
        };
        // A bar at its end that is not done would lie.
        let done = if replay.done { about } else { replay.mapped.min(about * 99 / 100) };
        Some(Self { text, done, about: about.max(1), is_live: !replay.done })
    }
}

#[derive(Template)]
#[template(path = "values_replay.html")]
struct ProgressTemplate<'a> {
    replay: &'a Progress,
}

/// Sends where the replay stands, once a second until it is done.
pub(super) async fn live(visit: Visit) -> Response {
    let stopping = visit.console().stopping.clone();
    let events = events(visit).take_until(async move { stopping.cancelled().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

fn events(visit: Visit) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some((visit, String::new(), false)), async |state| {
        let (visit, last, is_over) = state?;
        if is_over {
            // Browsers drop an event without data.
            return Some((Ok(Event::default().event("end").data("over")), None));
        }
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let request = GetReplayRequest { workspace_id: visit.workspace() };
            // A service that is silent for a while is asked again; nothing is lost by waiting.
            let Ok(replay) = ask(Party::Mapper, PAGE, visit.peers().mappings().get_replay(request)).await else {
                continue;
            };
            let progress = Progress::of(&replay)?;
            let html = ProgressTemplate { replay: &progress }.render().unwrap_or_default();
            if html != last {
                let event = Event::default().event("fragment").data(&html);
                return Some((Ok(event), Some((visit, html, !progress.is_live))));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_at_its_end_only_when_every_record_is_applied() {
        let of = |mapped, done| Replay { run_id: "r".into(), expected: 1_200, mapped, done, ..Default::default() };
        assert_eq!(Progress::of(&Replay::default()), None);
        let half = Progress::of(&of(600, false)).unwrap();
        assert_eq!(
            (half.text.as_str(), half.done, half.is_live),
            ("The last save is being applied: 600 of 1,200 records.", 600, true)
        );
        let nearly = Progress::of(&of(1_200, false)).unwrap();
        assert!(nearly.done < nearly.about && nearly.text.contains("being written"));
        let done = Progress::of(&of(1_200, true)).unwrap();
        assert!(done.done == done.about && !done.is_live);
    }
}

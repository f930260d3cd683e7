//! The live part of the status page: fragments by server-sent events, at most one a second.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use contract::extractor::v1::WatchSyncStatusRequest;
use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::view::StatusPage;
use super::{Answers, view};
use crate::web::Visit;

/// Shortest time between two fragments.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one stream lasts: after that the browser asks again, and shows that it is still signed in.
const LIFE: Duration = Duration::from_secs(600);
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Template)]
#[template(path = "status_live.html")]
struct LiveTemplate<'a> {
    page: &'a StatusPage,
}

/// Sends the live parts whenever the extractor reports a change.
pub(super) async fn watch(visit: Visit) -> Response {
    let request = WatchSyncStatusRequest { workspace_id: visit.workspace() };
    let changes = visit.peers().syncs().watch_sync_status(request).await.map(tonic::Response::into_inner).ok();
    let stopping = visit.console().stopping.clone();
    let fragments = fragments(visit, changes).take_until(over(stopping));
    // A last word, so that a browser that listens knows the difference between an end and a failure: it reconnects by itself.
    Sse::new(fragments).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

async fn over(stopping: CancellationToken) {
    tokio::select! {
        () = stopping.cancelled() => {}
        () = tokio::time::sleep(LIFE) => {}
    }
}

fn fragments(
    visit: Visit,
    changes: Option<Streaming<contract::extractor::v1::SyncStatus>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let begun = (visit, changes, String::new());
    stream::unfold(begun, async |(mut visit, mut changes, mut last)| {
        loop {
            match &mut changes {
                // The next change, or nothing more: then the browser asks again.
                Some(stream) => match stream.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                },
                None => return None,
            }
            visit.now = jiff::Timestamp::now();
            let view = view::view(&Answers::of(&visit).await, visit.now);
            let html = LiveTemplate { page: &view }.render().unwrap_or_default();
            if html == last {
                continue;
            }
            last.clone_from(&html);
            tokio::time::sleep(PAUSE).await;
            return Some((Ok(Event::default().event("fragment").data(html)), (visit, changes, last)));
        }
    })
}

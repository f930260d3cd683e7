//! Replays: stored source values mapped once more, with no Salesforce call.

use std::time::Duration;

use clap::Args;
use contract::mapper::v1 as wire;
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::progress::Bars;
use crate::run::steadily;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash, yes};
use crate::wire::{moment, some};

/// How often a replay is looked at while somebody waits for it.
const GLANCE: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(crate) struct Command {
    /// Wait until every record is mapped and applied.
    #[arg(long)]
    wait: bool,
    /// Map every record again, also those that are mapped under the mapping in force.
    #[arg(long)]
    everything: bool,
    /// Start none: show the one in hand or the last one (with `--wait`, wait for it).
    #[arg(long, conflicts_with = "everything")]
    show: bool,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let mut replay = if command.show {
        look(session).await?
    } else {
        let request = wire::StartReplayRequest { workspace_id: session.workspace()?, everything: command.everything };
        session.ask(Party::Mapper, session.mappings()?.start_replay(request)).await?.into()
    };
    if command.wait {
        replay = wait(session, replay).await?;
    }
    session.show(&replay)?;
    Ok(Exit::Done)
}

async fn look(session: &Session) -> Result<Replay, Failure> {
    let request = wire::GetReplayRequest { workspace_id: session.workspace()? };
    session.ask(Party::Mapper, session.mappings()?.get_replay(request)).await.map(Replay::from)
}

async fn wait(session: &Session, begun: Replay) -> Result<Replay, Failure> {
    let bars = Bars::new(session.json());
    let mut replay = begun;
    while !replay.is_over() {
        bars.say(&replay.headline());
        tokio::time::sleep(GLANCE).await;
        // A save meanwhile begins a newer replay; that one is waited for: it brings what this one would have.
        replay = steadily(|| look(session)).await?;
    }
    bars.finish();
    Ok(replay)
}

/// A replay.
#[derive(Debug, Serialize)]
struct Replay {
    /// Nothing when there never was one.
    run_id: Option<String>,
    mapping_version: i64,
    expected: i64,
    mapped: i64,
    chunks_pending: i64,
    done: bool,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl From<wire::Replay> for Replay {
    fn from(replay: wire::Replay) -> Self {
        Self {
            started_at: moment(replay.start_time.as_ref()),
            ended_at: moment(replay.end_time.as_ref()),
            run_id: some(replay.run_id),
            mapping_version: replay.mapping_version,
            expected: replay.expected,
            mapped: replay.mapped,
            chunks_pending: replay.chunks_pending,
            done: replay.done,
        }
    }
}

impl Replay {
    /// Whether there is nothing to wait for.
    fn is_over(&self) -> bool {
        self.done || self.run_id.is_none()
    }

    fn headline(&self) -> String {
        format!("mapped {} of {} · {} chunks to apply", self.mapped, self.expected, self.chunks_pending)
    }
}

impl Answer for Replay {
    fn text(&self) -> String {
        let mut facts = Table::facts();
        facts.fact("replay", or_dash(self.run_id.as_ref()));
        facts.fact("mapping version", self.mapping_version);
        facts.fact("mapped", format!("{} of {}", self.mapped, self.expected));
        facts.fact("chunks to apply", self.chunks_pending);
        facts.fact("done", yes(self.done));
        facts.fact("started", or_dash(self.started_at.as_ref()));
        facts.fact("ended", self.ended_at.map(|at| at.to_string()).unwrap_or_default());
        facts.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_that_never_was_is_over_and_one_in_hand_is_not() {
        assert!(Replay::from(wire::Replay::default()).is_over());
        let mut replay = wire::Replay { run_id: "r".into(), ..wire::Replay::default() };
        assert!(!Replay::from(replay.clone()).is_over());
        replay.done = true;
        assert!(Replay::from(replay).is_over());
    }
}

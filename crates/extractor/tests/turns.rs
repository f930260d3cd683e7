//! Whose turn it is among 10,000 workspaces: the real statements on a real Postgres, in a time that is only counted.
//!
//! A schema in front of `pg_catalog` answers `now()` with the time of the simulation, so nobody waits for anything, and each
//! run is the same. What is played is the length of a turn; docs/scaling.md says with which numbers and what came out.

#![allow(clippy::print_stdout, reason = "the numbers are what docs/scaling.md quotes")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use extractor::store::workspace::{self, Lease};
use sqlx::{Connection as _, PgConnection};
use testkit::TestDatabase;
use uuid::Uuid;

const WORKSPACES: u32 = 10_000;
const GIANTS: u32 = 20;
/// Calls of a poll that finds nothing new.
const CALLS: u32 = 7;
/// A giant's turn: 16 pages, a second each. Its next one is due at once.
const GIANTS_TURN: Duration = Duration::from_secs(16);
/// What a reader waits before it looks again, when nobody's turn has come.
const IDLE: Duration = Duration::from_millis(200);
const LEASE: Duration = Duration::from_secs(30);
/// Far from the time at which the rows are made.
const BEGIN: i64 = 4_102_444_800;

/// Readers that are just enough for the polls of 10,000 workspaces.
#[derive(Clone, Copy)]
struct Fleet {
    readers: u32,
    poll_interval: Duration,
    played_for: Duration,
}

/// Twenty extractors, four readers in each.
const EVERY_FIVE_MINUTES: Fleet =
    Fleet { readers: 80, poll_interval: Duration::from_secs(300), played_for: Duration::from_secs(75) };
/// Four extractors: fewer readers than giants.
const EVERY_25_MINUTES: Fleet =
    Fleet { readers: 16, poll_interval: Duration::from_secs(1_500), played_for: Duration::from_secs(500) };

/// How long small workspaces waited for their turn, and how many turns each giant had.
struct Played {
    waits: Vec<Duration>,
    giants: Vec<u32>,
}

impl Played {
    fn at(&self, percent: usize) -> Duration {
        self.waits[(self.waits.len() - 1) * percent / 100]
    }
}

/// The workspaces in the books, and what is known of them beside the books.
struct World {
    conn: PgConnection,
    fleet: Fleet,
    now: Duration,
    /// When the next turn of each small workspace is due.
    due: Vec<Duration>,
    played: Played,
}

#[tokio::test]
async fn giants_cost_a_small_workspace_seconds_and_no_poll_when_readers_just_suffice() {
    let (_, beside) = compare(EVERY_FIVE_MINUTES).await;
    assert!(beside.at(99) < GIANTS_TURN / 2, "{:?}", beside.at(99));
}

#[tokio::test]
async fn a_small_workspace_waits_for_the_end_of_a_turn_even_if_giants_hold_every_reader() {
    let (alone, beside) = compare(EVERY_25_MINUTES).await;
    assert!(beside.at(100) > 10 * alone.at(100), "all readers were held, or nothing is shown: {:?}", beside.at(100));
}

/// Plays a fleet without giants and with them.
async fn compare(fleet: Fleet) -> (Played, Played) {
    let database = testkit::database().await;
    let alone = World::with_giants(&database, fleet, 0).await.play().await;
    let beside = World::with_giants(&database, fleet, GIANTS).await.play().await;
    for (what, played) in [("alone", &alone), ("beside giants", &beside)] {
        let [half, most, worst] = [50, 99, 100].map(|percent| played.at(percent).as_secs_f64());
        let (readers, polls, turns) = (fleet.readers, played.waits.len(), played.giants.iter().sum::<u32>());
        println!(
            "{readers} readers, {what}: {polls} polls began {half:.2} s (median), {most:.2} s (99 %), {worst:.2} s \
             (worst) after they were due; giants had {turns} turns"
        );
    }
    assert!(alone.at(100) < Duration::from_secs(1), "readers suffice when nobody is large: {:?}", alone.at(100));
    assert!(beside.at(100) < 2 * GIANTS_TURN, "nobody waits for a whole load: {:?}", beside.at(100));
    assert!(beside.waits.len() * 100 >= alone.waits.len() * 97, "giants take no poll away: {}", beside.waits.len());
    let (fewest, most) = (beside.giants.iter().min().unwrap(), beside.giants.iter().max().unwrap());
    assert!(*fewest > 0 && most - fewest <= 1, "giants take turns among themselves: {:?}", beside.giants);
    (alone, beside)
}

impl World {
    /// Every workspace was polled once, spread over the interval; the first `giants` have a load under way.
    async fn with_giants(database: &TestDatabase, fleet: Fleet, giants: u32) -> Self {
        let mut conn = PgConnection::connect(&database.admin_url()).await.unwrap();
        let clock = "
            create schema if not exists simulation;
            create or replace function simulation.now() returns timestamptz language sql stable
                as $$ select to_timestamp(current_setting('simulation.now')::float8) $$;
            set search_path = simulation, pg_catalog;
            set synchronous_commit = off;
            set enable_seqscan = off;
            set jit = off;
            truncate extractor.workspace;
        ";
        sqlx::raw_sql(clock).execute(&mut conn).await.unwrap();
        let due: Vec<_> = (0..WORKSPACES).map(|index| due_first(index, giants, fleet.poll_interval)).collect();
        sqlx::query(
            "insert into extractor.workspace
                 (workspace_id, revision, epoch, plan, connected, first_sync_started, due_at, served_at)
             select lpad(to_hex(index - 1), 32, '0')::uuid, 1, 1, 'business', true, true,
                    to_timestamp($1 + due), to_timestamp($1 + due - $3)
               from unnest($2::float8[]) with ordinality as first (due, index)",
        )
        .bind(BEGIN as f64)
        .bind(due.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
        .bind(fleet.poll_interval.as_secs_f64())
        .execute(&mut conn)
        .await
        .unwrap();
        sqlx::raw_sql("vacuum analyze extractor.workspace").execute(&mut conn).await.unwrap();
        let played = Played { waits: Vec::new(), giants: vec![0; giants as usize] };
        Self { conn, fleet, now: Duration::ZERO, due, played }
    }

    /// Each reader ends its turn, takes the next, or looks again a little later.
    async fn play(mut self) -> Played {
        let first = |reader| Reverse((IDLE * reader / self.fleet.readers, reader));
        let mut readers: BinaryHeap<_> = (0..self.fleet.readers).map(first).collect();
        let mut turns: HashMap<u32, (Lease, DateTime<Utc>, Duration)> = HashMap::new();
        while let Some(Reverse((now, reader))) = readers.pop()
            && now < self.fleet.played_for
        {
            self.set_clock(now).await;
            if let Some((lease, begun, pause)) = turns.remove(&reader) {
                workspace::release(&mut self.conn, &lease, begun, Some(pause)).await.unwrap();
            }
            let busy = match workspace::claim(&mut self.conn, Uuid::from_u128(reader.into()), LEASE).await.unwrap() {
                None => IDLE,
                Some(lease) => {
                    let (busy, pause) = self.begin_turn(&lease);
                    turns.insert(reader, (lease, at(now), pause));
                    busy
                }
            };
            readers.push(Reverse((now + busy, reader)));
        }
        self.played.waits.sort();
        self.played
    }

    async fn set_clock(&mut self, now: Duration) {
        self.now = now;
        let now = BEGIN as f64 + now.as_secs_f64();
        sqlx::query("select set_config('simulation.now', $1, false)")
            .bind(format!("{now:.6}"))
            .execute(&mut self.conn)
            .await
            .unwrap();
    }

    /// How long the turn takes, and when after it the next one is due.
    fn begin_turn(&mut self, lease: &Lease) -> (Duration, Duration) {
        let index = lease.workspace.0.as_u128() as usize;
        if let Some(turns) = self.played.giants.get_mut(index) {
            *turns += 1;
            return (GIANTS_TURN, Duration::ZERO);
        }
        // Postgres rounds to microseconds.
        self.played.waits.push(self.now.saturating_sub(self.due[index]));
        self.due[index] = self.now + self.fleet.poll_interval;
        // Orgs answer at different speeds: 250 to 350 ms for a call.
        let busy = CALLS * Duration::from_millis(250 + index as u64 * 37 % 101);
        (busy, self.fleet.poll_interval - busy)
    }
}

/// Giants all at once, the others spread over the interval, in no order.
fn due_first(index: u32, giants: u32, interval: Duration) -> Duration {
    if index < giants { Duration::ZERO } else { interval / WORKSPACES * (index * 7_919 % WORKSPACES) }
}

fn at(now: Duration) -> DateTime<Utc> {
    DateTime::from_timestamp(BEGIN, 0).unwrap() + now
}

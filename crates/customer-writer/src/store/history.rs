//! What was written, hour by hour: counts and how old changes were, for 14 days.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::WorkspaceId;
use sqlx::PgConnection;

use crate::metrics::Outcomes;

/// Upper edges of the ages that are told apart; one more slot is for what is older.
const EDGES: [Duration; 13] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
    Duration::from_secs(900),
    Duration::from_secs(1_800),
    Duration::from_secs(3_600),
    Duration::from_secs(21_600),
    Duration::from_secs(86_400),
];

/// What one transaction adds to the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) unchanged: i64,
    pub(crate) deleted: i64,
    pub(crate) parked: i64,
    pub(crate) ages: [i64; EDGES.len() + 1],
    pub(crate) oldest_ms: i64,
}

impl Hour {
    /// Adds what became of the records of one object.
    pub(crate) fn add(&mut self, outcomes: &Outcomes) {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.created += count(outcomes.created);
        self.updated += count(outcomes.updated);
        self.unchanged += count(outcomes.unchanged);
        self.deleted += count(outcomes.deleted);
        self.parked += count(outcomes.rejected);
    }

    /// Notes how old a change was when it was written. Clocks differ a little: the future counts as now.
    pub(crate) fn note_age(&mut self, age_ms: i64) {
        let age_ms = age_ms.max(0);
        let age = Duration::from_millis(age_ms.unsigned_abs());
        let slot = EDGES.iter().position(|edge| age <= *edge).unwrap_or(EDGES.len());
        self.ages[slot] += 1;
        self.oldest_ms = self.oldest_ms.max(age_ms);
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        [self.created, self.updated, self.unchanged, self.deleted, self.parked] == [0; 5]
    }

    /// Whether a row differs from before.
    pub(crate) fn has_changes(&self) -> bool {
        self.created + self.updated + self.deleted > 0
    }

    /// Returns how many changes have a known age.
    pub(crate) fn fresh_count(&self) -> i64 {
        self.ages.iter().sum()
    }

    /// Returns how old `percent` of the changes were at most: the upper edge of the slot that holds the last of them.
    pub(crate) fn age_of(&self, percent: i64) -> Option<Duration> {
        let total = self.fresh_count();
        let wanted = (total * percent + 99) / 100;
        let oldest = Duration::from_millis(self.oldest_ms.unsigned_abs());
        let mut seen = 0;
        let slot = self.ages.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        (total > 0).then(|| EDGES.get(slot).copied().unwrap_or(oldest).min(oldest))
    }
}

/// Returns the last hours, oldest first, the one in hand last; hours without a row are zero.
pub(crate) async fn list(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    hours: i32,
) -> Result<Vec<(DateTime<Utc>, Hour)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select s.hour as "hour!", coalesce(h.created, 0) as "created!", coalesce(h.updated, 0) as "updated!",
               coalesce(h.unchanged, 0) as "unchanged!", coalesce(h.deleted, 0) as "deleted!",
               coalesce(h.parked, 0) as "parked!", coalesce(h.ages, '{}') as "ages!", coalesce(h.oldest_ms, 0) as "oldest_ms!"
          from generate_series(date_trunc('hour', now(), 'UTC') - make_interval(hours => $2 - 1),
                               date_trunc('hour', now(), 'UTC'), interval '1 hour') as s (hour)
          left join customers.history h on h.workspace_id = $1 and h.hour = s.hour
         order by s.hour
        "#,
        workspace.0,
        hours,
    )
    .fetch_all(conn)
    .await?;
    let hour_of = |row: Vec<i64>| row.try_into().unwrap_or_default();
    Ok(rows
        .into_iter()
        .map(|row| {
            let hour = Hour {
                created: row.created,
                updated: row.updated,
                unchanged: row.unchanged,
                deleted: row.deleted,
                parked: row.parked,
                ages: hour_of(row.ages),
                oldest_ms: row.oldest_ms,
            };
            (row.hour, hour)
        })
        .collect())
}

/// What the last day was like, in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) tally: Hour,
    pub(crate) changed_at: Option<DateTime<Utc>>,
}

/// Returns the sums of the hour in hand and the 24 before it, and when a row last changed.
pub(crate) async fn last_day(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Day, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select coalesce(sum(created), 0)::bigint as "created!", coalesce(sum(updated), 0)::bigint as "updated!",
               coalesce(sum(unchanged), 0)::bigint as "unchanged!", coalesce(sum(deleted), 0)::bigint as "deleted!",
               coalesce(sum(parked), 0)::bigint as "parked!",
               (select changed_at from customers.ledger where workspace_id = $1) as changed_at
          from customers.history
         where workspace_id = $1 and hour >= date_trunc('hour', now(), 'UTC') - interval '24 hours'
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?;
    let tally = Hour {
        created: row.created,
        updated: row.updated,
        unchanged: row.unchanged,
        deleted: row.deleted,
        parked: row.parked,
        ..Hour::default()
    };
    Ok(Day { tally, changed_at: row.changed_at })
}

/// Forgets hours that lie more than 14 days back.
pub(crate) async fn forget_old(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from customers.history where workspace_id = $1 and hour < now() - interval '14 days'",
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_changes_is_at_most_as_old_as_the_edge_of_its_slot() {
        let mut hour = Hour::default();
        assert_eq!(hour.age_of(50), None);
        for age_ms in [-50, 700, 4_000, 4_500, 8_000, 200_000] {
            hour.note_age(age_ms);
        }
        assert_eq!(hour.fresh_count(), 6);
        assert_eq!(hour.age_of(50), Some(Duration::from_secs(5)));
        // Never older than the oldest itself.
        assert_eq!(hour.age_of(95), Some(Duration::from_secs(200)));
        hour.note_age(100_000_000);
        assert_eq!(hour.age_of(100), Some(Duration::from_secs(100_000)));
    }
}

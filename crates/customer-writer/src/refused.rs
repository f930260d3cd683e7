//! What erase orders forbid among what arrives. Every record and every fault comes through here before it is written.

use std::collections::{BTreeSet, HashSet};

use contract::KeyHash;
use domain::{SalesforceId, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::SERVICE;
use crate::store::applied::Change;
use crate::store::erase::{self, Order};
use crate::store::workspace::Workspace;
use crate::transaction::Job;

/// What erase orders forbid: it ends here without effect, and its chunk counts as applied.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Keys that are erased.
    keys: HashSet<String>,
    /// Keys that an erased one continues by now: they mean what was erased, so they go with it.
    followers: BTreeSet<String>,
}

impl Refused {
    /// Returns what is forbidden among the records of jobs; the caller holds the workspace.
    pub(crate) async fn among(
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        known: &Workspace,
        jobs: &[Job<'_>],
    ) -> Result<Self, sqlx::Error> {
        if !known.has_erased {
            return Ok(Self::default());
        }
        let records = || jobs.iter().flat_map(|job| job.records.iter().copied());
        let faulty = jobs.iter().flat_map(|job| &job.faults).filter_map(|fault| fault.key.as_ref());
        let targets = records().filter_map(|record| record.target());
        let keys = records().map(|record| &record.key).chain(faulty).chain(targets).map(SalesforceId::as_str);
        let erased = erase::among(conn, workspace, &keys.collect()).await?;
        let is_erased = |key: &SalesforceId| erased.contains(key.as_str());
        let followers = records().filter(|record| !is_erased(&record.key) && record.target().is_some_and(is_erased));
        let followers = followers.map(|record| record.key.as_str().to_owned()).collect();
        Ok(Self { keys: erased, followers })
    }

    /// Whether nothing is forbidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether rows are to be erased, which nobody else may write meanwhile.
    pub(crate) fn needs_the_workspace_alone(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Returns a job without what is forbidden.
    pub(crate) fn spare<'a>(&self, job: &Job<'a>) -> Job<'a> {
        let is_allowed =
            |key: &SalesforceId| !self.keys.contains(key.as_str()) && !self.followers.contains(key.as_str());
        let mut job = job.clone();
        job.records.retain(|record| is_allowed(&record.key));
        job.faults.retain(|fault| fault.key.as_ref().is_none_or(is_allowed));
        job
    }

    /// Erases what an erased key continues. Returns what the change feed must tell.
    pub(crate) async fn erase_followers(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
    ) -> Result<Vec<Change>, sqlx::Error> {
        let Some(first) = self.followers.first() else { return Ok(Vec::new()) };
        let order = Order {
            id: Uuid::now_v7(),
            named: KeyHash::of(workspace, first),
            actor: SERVICE,
            keys: self.followers.clone(),
        };
        Ok(erase::carry_out(conn, workspace, order, None).await?.changes)
    }
}

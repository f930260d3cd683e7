//! Which share of the org's daily calls is ours: told, and changed by people.

use std::time::Duration;

use contract::convert;
use contract::error::{Failure, Reason};
use contract::extractor::v1::{ApiBudget, UpdateApiBudgetRequest};
use domain::WorkspaceId;
use tonic::Status;
use uuid::Uuid;

use super::SyncApi;
use crate::api::status::{own_calls_limit, share_percent};
use crate::api::{books, not_found};
use crate::budget::{self, Known};
use crate::salesforce::usage::{OrgUsage, Ratio};
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError};

/// What came of a wish.
enum Changed {
    /// The budget as it is now, or would be.
    To(Box<Workspace>),
    /// Somebody else changed it since the caller looked.
    Meanwhile,
}

impl SyncApi {
    pub(super) async fn budget(&self, workspace: WorkspaceId) -> Result<ApiBudget, Status> {
        let loaded = async {
            let mut tx = store::begin(&self.reader.pool, workspace).await?;
            let known = store::workspace::load(&mut tx, workspace).await?;
            let used = store::usage::last_day(&mut tx, workspace).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(known.map(|known| (known, used)))
        };
        let (known, used) = loaded.await.map_err(books)?.ok_or_else(not_found)?;
        Ok(self.told(&known, used))
    }

    pub(super) async fn change_budget(&self, request: UpdateApiBudgetRequest) -> Result<ApiBudget, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let percent = i16::try_from(request.percent).ok().filter(|percent| (1..=100).contains(percent));
        let percent = percent.ok_or_else(|| {
            Status::from(Failure::new(Reason::ApiBudgetInvalid, "The share of the org's calls is out of range."))
        })?;
        let request_id = match request.request_id.as_str() {
            "" => None,
            text => Some(
                Uuid::parse_str(text)
                    .map_err(|_| convert::InvalidField { field: "request_id", problem: "is not a UUID" })?,
            ),
        };
        let used = self.booked(workspace).await.map_err(books)?;
        let changed = self.change(workspace, percent, request_id, &request, used).await.map_err(books)?;
        match changed.ok_or_else(not_found)? {
            Changed::To(known) => Ok(self.told(&known, used)),
            Changed::Meanwhile => Err(Failure::new(Reason::EtagMismatch, "Somebody else changed the share.").into()),
        }
    }

    async fn booked(&self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        let used = store::usage::last_day(&mut tx, workspace).await?;
        tx.commit().await?;
        Ok(used)
    }

    /// Changes the share; `None` when the workspace is unknown.
    async fn change(
        &self,
        workspace: WorkspaceId,
        percent: i16,
        request_id: Option<Uuid>,
        request: &UpdateApiBudgetRequest,
        used: u64,
    ) -> Result<Option<Changed>, StoreError> {
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        // First of all: it locks the row, so that what is read next is what is changed.
        let done_before = store::workspace::api_budget_request(&mut tx, workspace).await?;
        let Some(mut known) = store::workspace::load(&mut tx, workspace).await? else { return Ok(None) };
        if request_id.is_some() && request_id == done_before {
            return Ok(Some(Changed::To(Box::new(known))));
        }
        if !request.etag.is_empty() && request.etag != etag(self.share(&known)) {
            return Ok(Some(Changed::Meanwhile));
        }
        let new = u64::from(percent.unsigned_abs());
        let waits = known.wait_reason == Reason::SalesforceQuotaExhausted.as_str();
        let ends_wait = waits && budget::ends_wait(&self.known_of(&known, used), new);
        if !request.validate_only {
            store::workspace::set_api_budget(&mut tx, workspace, percent, request_id, ends_wait).await?;
            tx.commit().await?;
        }
        known.api_budget_percent = Some(new);
        Ok(Some(Changed::To(Box::new(known))))
    }

    /// Returns what a call would be decided on, as the books know it.
    fn known_of(&self, known: &Workspace, own_calls: u64) -> Known {
        let wide = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let ratio = wide(known.org_calls_used).zip(wide(known.org_calls_limit));
        let usage = ratio.map(|(used, limit)| OrgUsage { org: Ratio { used, limit }, app: None });
        Known {
            usage: usage.map(|usage| (usage, Duration::ZERO)),
            own_calls,
            share_percent: self.share(known),
            believed_for: Duration::MAX,
        }
    }

    fn share(&self, known: &Workspace) -> u64 {
        share_percent(&self.reader, known)
    }

    fn told(&self, known: &Workspace, used: u64) -> ApiBudget {
        let percent = |share: u64| i32::try_from(share).unwrap_or(100);
        ApiBudget {
            workspace_id: known.id.to_string(),
            percent: percent(self.share(known)),
            default_percent: percent(self.reader.client.share_percent()),
            own_calls_used: i64::try_from(used).unwrap_or(i64::MAX),
            own_calls_limit: own_calls_limit(&self.reader, known),
            org_calls_used: known.org_calls_used,
            org_calls_limit: known.org_calls_limit,
            etag: etag(self.share(known)),
        }
    }
}

fn etag(share: u64) -> String {
    format!("{share:x}")
}

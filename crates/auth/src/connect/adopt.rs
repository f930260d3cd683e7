//! From tokens to a connection.

use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use uuid::Uuid;

use super::{ConnectError, Connected, Inner, Wish};
use crate::access::Timing;
use crate::salesforce::{Grant, Org, SalesforceHost};
use crate::store::connection::{self, Connection, Flow as GrantFlow};
use crate::store::state::{self, Delivery};
use crate::store::token::{self, TokenRow};
use crate::store::workspace::{self, GrantState, Standing};
use crate::store::{StoreError, audit, ending, schedule};
use crate::vault::{DataKey, Place};

/// A grant that is no connection after this long is revoked: the process that had it is gone.
const UNADOPTED_LIFE: Duration = Duration::from_secs(300);

impl Inner {
    /// Stores a grant, finds out whose it is, and makes it the workspace's connection.
    pub(super) async fn adopt(
        &self,
        wish: Wish,
        flow: GrantFlow,
        connection: Uuid,
        login: &SalesforceHost,
        grant: Grant,
    ) -> Result<Connected, ConnectError> {
        let impossible = StoreError::Impossible { table: "auth.token", workspace: wish.workspace };
        let (Some(identity), Some(instance)) = (grant.identity.clone(), grant.instance.clone()) else {
            // The token endpoint's reader refuses a grant without them.
            return Err(impossible.into());
        };
        let now = Timestamp::now();
        let mut row = TokenRow {
            place: Place { workspace: wish.workspace, connection, epoch: 0 },
            flow,
            login_url: login.as_str().to_owned(),
            org: identity.org.clone(),
            instance_url: instance.as_ref().map(|host| host.as_str().to_owned()).unwrap_or_default(),
            generation: 0,
            key: DataKey::generate().wrap(&self.ring, &Place { workspace: wish.workspace, connection, epoch: 0 }),
            refresh: None,
            access: None,
            dead: false,
            adopt_until: Some(now + UNADOPTED_LIFE),
            revoke_since: None,
        };
        self.seal(&mut row, 0, &grant);
        let mut conn = self.store.begin(wish.workspace).await?;
        token::put(&mut conn, &row, now).await?;
        ending::ask(&mut conn, wish.workspace, now + UNADOPTED_LIFE).await?;
        conn.commit().await?;

        let instance = instance.map_err(ConnectError::Instance)?;
        if !self.salesforce.rules().same_side(login, &identity.url) {
            return Err(ConnectError::OtherHost);
        }
        let org = self.salesforce.org(login, &identity, &instance, &grant.access_token).await;
        let org = org.map_err(ConnectError::Identity)?;
        self.make_current(wish, row, &grant, org).await
    }

    /// Seals a grant for an epoch, with a new data key.
    fn seal(&self, row: &mut TokenRow, epoch: i64, grant: &Grant) {
        row.place.epoch = epoch;
        let key = DataKey::generate();
        row.key = key.wrap(&self.ring, &row.place);
        row.access = Some(key.seal(&row.place, "access_token", &grant.access_token));
        // The app itself needs no refresh token: it asks anew.
        row.refresh = match row.flow {
            GrantFlow::Web => grant.refresh_token.as_ref().map(|token| key.seal(&row.place, "refresh_token", token)),
            GrantFlow::ClientCredentials => None,
        };
    }

    async fn make_current(
        &self,
        wish: Wish,
        mut row: TokenRow,
        grant: &Grant,
        org: Org,
    ) -> Result<Connected, ConnectError> {
        let workspace = wish.workspace;
        let now = Timestamp::now();
        let mut conn = self.store.begin(workspace).await?;
        let Some(mut standing) = workspace::lock(&mut conn, workspace).await? else {
            return Err(ConnectError::UnknownWorkspace(workspace));
        };
        // Checked again with the lock in hand: the plan or the switch may have changed while we asked Salesforce.
        self.may_connect(&mut conn, workspace).await?;
        let before = connection::read(&mut conn, workspace).await?;
        let bound = before.as_ref().and_then(|before| before.bound_org.clone());
        if let (Some(bound), Some(mut before)) = (bound.filter(|bound| *bound != org.id), before) {
            if !wish.confirm_org_switch {
                return Err(ConnectError::OrgMismatch { bound, found: org.id });
            }
            self.end_for_switch(&mut conn, workspace, &mut standing, &mut before, now).await?;
        }

        standing.epoch += 1;
        standing.revision += 1;
        standing.grant = GrantState::Active;
        standing.connection = Some(row.place.connection);
        row.adopt_until = None;
        self.seal(&mut row, standing.epoch, grant);
        let connection = Connection {
            id: row.place.connection,
            flow: row.flow,
            epoch: standing.epoch,
            bound_org: Some(org.id.clone()),
            org: org.id,
            org_name: org.name,
            sandbox: org.sandbox,
            instance_url: row.instance_url.clone(),
            login_url: row.login_url.clone(),
            salesforce_username: org.username,
            start_at: wish.start_at,
            connected_at: now,
            connected_by: wish.actor.clone(),
            ended_at: None,
            purge: false,
            ended_revision: None,
        };
        workspace::save(&mut conn, workspace, &standing).await?;
        connection::save(&mut conn, workspace, &connection).await?;
        token::put(&mut conn, &row, now).await?;
        schedule::set(&mut conn, workspace, now + Timing::default().idle).await?;
        state::tell(&mut conn, workspace, Delivery::NewestOnly, now).await?;
        // The connection before, if any, is over: its tokens go.
        ending::ask(&mut conn, workspace, now).await?;
        let detail = format!("org {}, scopes api refresh_token id", connection.org);
        let entry = audit::Entry { actor: &wish.actor, action: "connect", outcome: "done", detail: &detail };
        audit::append(&mut conn, workspace, &entry, now).await?;
        conn.commit().await?;
        self.nudges.push.notify_one();
        self.nudges.ending.notify_one();
        Ok((workspace, connection, standing))
    }

    /// A confirmed switch of org is a disconnect with purge, told as an epoch of its own, before the new one begins.
    async fn end_for_switch(
        &self,
        conn: &mut sqlx::PgConnection,
        workspace: WorkspaceId,
        standing: &mut Standing,
        before: &mut Connection,
        now: Timestamp,
    ) -> Result<(), ConnectError> {
        standing.epoch += 1;
        standing.revision += 1;
        standing.grant = GrantState::Disconnecting;
        standing.connection = None;
        before.ended_at = Some(now);
        before.purge = true;
        workspace::save(conn, workspace, standing).await?;
        connection::save(conn, workspace, before).await?;
        state::tell(conn, workspace, Delivery::Always, now).await?;
        Ok(())
    }

    /// Has tokens that became no connection revoked now.
    pub(super) async fn end_soon(&self, workspace: WorkspaceId, connection: Uuid) -> Result<(), ConnectError> {
        let mut conn = self.store.begin(workspace).await?;
        token::disown(&mut conn, workspace, connection).await?;
        ending::ask(&mut conn, workspace, Timestamp::now()).await?;
        conn.commit().await?;
        self.nudges.ending.notify_one();
        Ok(())
    }
}

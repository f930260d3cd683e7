//! Sealed tokens, one row per connection. Nothing here opens them.

use domain::{Epoch, OrgId, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::connection::Flow;
use super::moment::{from_db, to_db};
use crate::vault::{Place, Sealed, WrappedKey};

/// The tokens of a connection.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// What they are sealed for.
    pub place: Place,
    /// How the grant was given.
    pub flow: Flow,
    /// Where the grant came from: refresh and revoke go there.
    pub login_url: String,
    /// The org that the grant is for.
    pub org: OrgId,
    /// Where API calls go.
    pub instance_url: String,
    /// Names the access token; grows with every new one.
    pub generation: i64,
    /// The connection's data key.
    pub key: WrappedKey,
    /// The refresh token.
    pub refresh: Option<Sealed>,
    /// The access token.
    pub access: Option<Sealed>,
    /// Salesforce said that the grant is dead.
    pub dead: bool,
    /// Until then the tokens may still become a connection.
    pub adopt_until: Option<Timestamp>,
    /// When the first attempt to revoke was made.
    pub revoke_since: Option<Timestamp>,
}

/// What a refresh brought.
#[derive(Debug)]
pub struct Renewed<'a> {
    /// The generation that was refreshed; nothing is written if it is not the current one.
    pub of_generation: i64,
    /// The new access token.
    pub access: &'a Sealed,
    /// The new refresh token; none leaves the old one.
    pub refresh: Option<&'a Sealed>,
    /// Where API calls go from now on.
    pub instance_url: &'a str,
}

struct Columns {
    workspace_id: Uuid,
    connection_id: Uuid,
    epoch: Epoch,
    flow: String,
    login_url: String,
    org_id: String,
    instance_url: String,
    generation: i64,
    kek_id: String,
    wrapped_key: Vec<u8>,
    refresh_token: Option<Vec<u8>>,
    access_token: Option<Vec<u8>>,
    dead: bool,
    adopt_until: Option<chrono::DateTime<chrono::Utc>>,
    revoke_since: Option<chrono::DateTime<chrono::Utc>>,
}

impl TryFrom<Columns> for TokenRow {
    type Error = StoreError;

    fn try_from(row: Columns) -> Result<Self, Self::Error> {
        let workspace = WorkspaceId(row.workspace_id);
        let impossible = || StoreError::Impossible { table: "auth.token", workspace };
        Ok(Self {
            place: Place { workspace, connection: row.connection_id, epoch: row.epoch },
            flow: Flow::from_text(&row.flow).ok_or_else(impossible)?,
            login_url: row.login_url,
            org: row.org_id.parse().map_err(|_| impossible())?,
            instance_url: row.instance_url,
            generation: row.generation,
            key: WrappedKey { kek_id: row.kek_id, bytes: row.wrapped_key },
            refresh: row.refresh_token.map(Sealed),
            access: row.access_token.map(Sealed),
            dead: row.dead,
            adopt_until: row.adopt_until.map(from_db),
            revoke_since: row.revoke_since.map(from_db),
        })
    }
}

/// Stores the tokens of a new grant under a new generation, whatever `row` says of it. Sealed for the epoch that a
/// connection begins, or for epoch 0 while it is not decided whether there will be one; a second call replaces that.
pub async fn put(conn: &mut PgConnection, row: &TokenRow, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.token
               (workspace_id, connection_id, epoch, flow, login_url, org_id, instance_url, generation, issued_at,
                kek_id, wrapped_key, refresh_token, access_token, adopt_until)
        values ($1, $2, $3, $4, $5, $6, $7, nextval('auth.token_generation'), $8, $9, $10, $11, $12, $13)
        on conflict (workspace_id, connection_id) do update
           set epoch         = excluded.epoch,
               generation    = excluded.generation,
               kek_id        = excluded.kek_id,
               wrapped_key   = excluded.wrapped_key,
               refresh_token = excluded.refresh_token,
               access_token  = excluded.access_token,
               adopt_until   = excluded.adopt_until
        "#,
        row.place.workspace.0,
        row.place.connection,
        row.place.epoch,
        row.flow.as_str(),
        row.login_url,
        row.org.as_str(),
        row.instance_url,
        to_db(now),
        row.key.kek_id,
        row.key.bytes,
        row.refresh.as_ref().map(|sealed| sealed.0.as_slice()),
        row.access.as_ref().map(|sealed| sealed.0.as_slice()),
        row.adopt_until.map(to_db),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says that tokens will not become a connection.
pub async fn disown(conn: &mut PgConnection, workspace: WorkspaceId, connection: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update auth.token set adopt_until = null where workspace_id = $1 and connection_id = $2",
        workspace.0,
        connection,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the tokens of a connection.
pub async fn read(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    connection: Uuid,
) -> Result<Option<TokenRow>, StoreError> {
    sqlx::query_as!(
        Columns,
        r#"
        select workspace_id, connection_id, epoch, flow, login_url, org_id, instance_url, generation, kek_id,
               wrapped_key, refresh_token, access_token, dead, adopt_until, revoke_since
          from auth.token
         where workspace_id = $1 and connection_id = $2
        "#,
        workspace.0,
        connection,
    )
    .fetch_optional(conn)
    .await?
    .map(TokenRow::try_from)
    .transpose()
}

/// Returns the tokens of a connection and keeps every other refresher away until the transaction ends.
///
/// Whoever also locks the workspace locks it first.
pub async fn lock(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    connection: Uuid,
) -> Result<Option<TokenRow>, StoreError> {
    sqlx::query_as!(
        Columns,
        r#"
        select workspace_id, connection_id, epoch, flow, login_url, org_id, instance_url, generation, kek_id,
               wrapped_key, refresh_token, access_token, dead, adopt_until, revoke_since
          from auth.token
         where workspace_id = $1 and connection_id = $2
           for update
        "#,
        workspace.0,
        connection,
    )
    .fetch_optional(conn)
    .await?
    .map(TokenRow::try_from)
    .transpose()
}

/// Returns the connections that have tokens. Which of them counts is asked with [`lock`] in hand.
pub async fn connections(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select connection_id from auth.token where workspace_id = $1 order by connection_id",
        workspace.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Writes what a refresh brought and returns its generation, or `None` if somebody else refreshed meanwhile.
pub async fn renew(
    conn: &mut PgConnection,
    place: &Place,
    renewed: &Renewed<'_>,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        update auth.token
           set generation    = nextval('auth.token_generation'),
               access_token  = $4,
               refresh_token = coalesce($5, refresh_token),
               instance_url  = $6,
               issued_at     = $7
         where workspace_id = $1 and connection_id = $2 and generation = $3
        returning generation
        "#,
        place.workspace.0,
        place.connection,
        renewed.of_generation,
        renewed.access.0,
        renewed.refresh.map(|sealed| sealed.0.as_slice()),
        renewed.instance_url,
        to_db(now),
    )
    .fetch_optional(conn)
    .await?)
}

/// Notes that Salesforce refused the grant of this generation; the access token goes.
pub async fn bury(conn: &mut PgConnection, place: &Place, generation: i64) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.token
           set dead = true, access_token = null
         where workspace_id = $1 and connection_id = $2 and generation = $3
        "#,
        place.workspace.0,
        place.connection,
        generation,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes when revoking began, once.
pub async fn begin_revoking(conn: &mut PgConnection, place: &Place, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.token
           set revoke_since = coalesce(revoke_since, $3)
         where workspace_id = $1 and connection_id = $2
        "#,
        place.workspace.0,
        place.connection,
        to_db(now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Destroys the data key of a connection, and with it everything that was sealed.
pub async fn destroy(conn: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from auth.token where workspace_id = $1 and connection_id = $2",
        place.workspace.0,
        place.connection,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from auth.refresh_intent where workspace_id = $1 and connection_id = $2",
        place.workspace.0,
        place.connection,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the places and wrapped keys of a workspace's tokens.
pub async fn keys(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Vec<(Place, WrappedKey)>, StoreError> {
    let rows = sqlx::query!(
        "select connection_id, epoch, kek_id, wrapped_key from auth.token where workspace_id = $1",
        workspace.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let place = Place { workspace, connection: row.connection_id, epoch: row.epoch };
            (place, WrappedKey { kek_id: row.kek_id, bytes: row.wrapped_key })
        })
        .collect())
}

/// Replaces a wrapped key by the same key wrapped anew, unless it changed meanwhile.
pub async fn rewrap(
    conn: &mut PgConnection,
    place: &Place,
    old: &WrappedKey,
    new: &WrappedKey,
) -> Result<bool, StoreError> {
    let rewrapped = sqlx::query!(
        r#"
        update auth.token
           set kek_id = $4, wrapped_key = $5
         where workspace_id = $1 and connection_id = $2 and wrapped_key = $3
        "#,
        place.workspace.0,
        place.connection,
        old.bytes,
        new.kek_id,
        new.bytes,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(rewrapped == 1)
}

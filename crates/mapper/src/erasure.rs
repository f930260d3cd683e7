//! Erase orders: stored images go, hashes of their keys stay, so that no later read stores them again.

use std::collections::{BTreeSet, HashSet};

use contract::KeyHash;
use domain::{Object, SalesforceId, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use tonic::Status;
use uuid::Uuid;

use crate::registry::{self, Deltas};
use crate::store::{self, StoreError};
use crate::{Mapper, audit, refusal, source};

/// An erase order, as the writer passes it on.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: Uuid,
    pub(crate) actor: String,
    pub(crate) ids: Vec<SalesforceId>,
}

impl Mapper {
    /// Carries an order out and returns how many images that deleted; none if it was carried out before.
    pub(crate) async fn erase(&self, order: Order) -> Result<u64, Status> {
        let mut tx = self.transaction(order.workspace).await?;
        // Waits for every chunk in hand; those that come after see the order.
        let known = store::workspace_for_update(&mut tx, order.workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, order.workspace, known.mapping_version).await?;
        let hashes = forbid(&mut tx, &order).await?;
        let mut erased = 0;
        for object in Object::ALL {
            let mut ids: Vec<&str> =
                order.ids.iter().filter(|id| id.prefix() == object.id_prefix()).map(SalesforceId::as_str).collect();
            ids.sort_unstable();
            let gone = source::lock(&mut tx, order.workspace, object, known.epoch, &ids).await?;
            let compiled = rules.compiled(object);
            let mut deltas = Deltas::default();
            for row in gone.values().filter(|row| row.image.is_live()) {
                deltas.subtract(compiled, &compiled.options_of(&row.image.text));
            }
            erased += source::erase(&mut tx, order.workspace, object, &ids).await?;
            registry::apply(&mut tx, order.workspace, rules.kind(object.kind()), deltas).await?;
        }
        if !hashes.is_empty() || erased > 0 {
            let proof: Vec<_> = hashes.iter().map(KeyHash::hex).collect();
            let detail = format!("order {}, {erased} images, keys {}", order.id, proof.join(" "));
            let entry = audit::Entry { actor: &order.actor, action: "erase", outcome: "done", detail: &detail };
            audit::append(&mut tx, order.workspace, &entry, Timestamp::now()).await?;
        }
        tx.commit().await.map_err(refusal::postgres)?;
        Ok(erased)
    }
}

/// Remembers the keys of an order by hash and returns those that were not known.
async fn forbid(conn: &mut PgConnection, order: &Order) -> Result<Vec<KeyHash>, StoreError> {
    let hashes: BTreeSet<KeyHash> = order.ids.iter().map(|id| KeyHash::of(order.workspace, id.as_str())).collect();
    let bytes: Vec<_> = hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect();
    let added: HashSet<Vec<u8>> = sqlx::query_scalar!(
        r#"
        insert into mapper.erased (workspace_id, key_hash, order_id)
        select $1, n.key_hash, $3 from unnest($2::bytea[]) n (key_hash)
            on conflict (workspace_id, key_hash) do nothing
        returning key_hash
        "#,
        order.workspace.0,
        &bytes,
        order.id,
    )
    .fetch_all(&mut *conn)
    .await?
    .into_iter()
    .collect();
    sqlx::query!(
        "update mapper.workspace set erased = erased + $2 where workspace_id = $1",
        order.workspace.0,
        i64::try_from(added.len()).unwrap_or(i64::MAX),
    )
    .execute(conn)
    .await?;
    Ok(hashes.into_iter().filter(|hash| added.contains(hash.as_bytes())).collect())
}

/// Returns those of `keys` that are erased.
pub(crate) async fn among(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    keys: BTreeSet<&str>,
) -> Result<HashSet<String>, StoreError> {
    let hashes: Vec<_> = keys.iter().map(|key| KeyHash::of(workspace, key).as_bytes().to_vec()).collect();
    let known: HashSet<Vec<u8>> = sqlx::query_scalar!(
        "select key_hash from mapper.erased where workspace_id = $1 and key_hash = any($2)",
        workspace.0,
        &hashes,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .collect();
    let erased = keys.iter().zip(&hashes).filter(|(_, hash)| known.contains(*hash));
    Ok(erased.map(|(key, _)| (*key).to_owned()).collect())
}

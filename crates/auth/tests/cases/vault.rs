//! Sealed rows, rotation of keys, rights in Postgres, the audit chain.

use auth::keys::{Mode, rotate};
use auth::store::audit;
use contract::error::Reason;
use futures::future::join_all;
use jiff::Timestamp;
use testkit::Role;

use crate::harness::{K1, K2, World, quick, reason, ring};

#[tokio::test]
async fn s8_a_token_row_copied_to_another_workspace_does_not_open() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let (victim, thief) = (replica.connected(&world).await, replica.connected(&world).await);
    sqlx::query(
        "update auth.token as thief set wrapped_key = victim.wrapped_key, kek_id = victim.kek_id, \
         refresh_token = victim.refresh_token, access_token = victim.access_token \
         from auth.token as victim where victim.workspace_id = $1 and thief.workspace_id = $2",
    )
    .bind(victim.0)
    .bind(thief.0)
    .execute(&world.admin)
    .await
    .unwrap();
    let mut fresh = world.replica().await;
    assert_eq!(reason(fresh.token(thief, 0).await), Reason::Internal);
    assert!(fresh.token(victim, 0).await.is_ok());
}

#[tokio::test]
async fn s8_a_row_moved_to_another_connection_or_epoch_does_not_open() {
    for change in ["epoch = epoch + 1", "refresh_token = access_token, access_token = refresh_token"] {
        let world = World::new().await;
        let mut replica = world.replica().await;
        let workspace = replica.connected(&world).await;
        let change = sqlx::AssertSqlSafe(format!("update auth.token set {change}"));
        sqlx::query(change).execute(&world.admin).await.unwrap();
        let mut fresh = world.replica().await;
        assert_eq!(reason(fresh.token(workspace, 0).await), Reason::Internal);
    }
}

#[tokio::test]
async fn s10_keys_are_rotated_while_tokens_are_read_and_the_old_key_can_go() {
    let world = World::new().await;
    let mut old = world.replica_with(ring(&[("k1", K1)]), quick()).await;
    let mut workspaces = Vec::new();
    for _ in 0..5 {
        workspaces.push(old.connected(&world).await);
    }
    let both = ring(&[("k2", K2), ("k1", K1)]);
    let replica = world.replica_with(ring(&[("k2", K2), ("k1", K1)]), quick()).await;
    let now = Timestamp::now();

    let counted = rotate(&replica.auth.store, &both, Mode::DryRun, now).await.unwrap();
    assert_eq!((counted.by_key["k1"], counted.by_key["k2"], counted.rewrapped), (5, 0, 0));

    let reads = join_all(workspaces.iter().map(|workspace| {
        let tokens = replica.auth.tokens.clone();
        async move {
            for _ in 0..20 {
                let access = tokens.access_token(*workspace, 0).await.expect("reads never stop");
                tokens.access_token(*workspace, access.generation).await.expect("refreshes never stop");
            }
        }
    }));
    let (rotated, _) = tokio::join!(rotate(&replica.auth.store, &both, Mode::Rewrap, now), reads);
    assert_eq!(rotated.unwrap().rewrapped, 5);

    let counted = rotate(&replica.auth.store, &both, Mode::DryRun, now).await.unwrap();
    assert_eq!((counted.by_key.get("k1"), counted.by_key["k2"]), (None, 5));
    // A second pass finds nothing to do, as after one that was broken off and run again.
    assert_eq!(rotate(&replica.auth.store, &both, Mode::Rewrap, now).await.unwrap().rewrapped, 0);
    let mut new = world.replica_with(ring(&[("k2", K2)]), quick()).await;
    for workspace in workspaces {
        let token = new.token(workspace, 0).await.unwrap();
        assert!(new.token(workspace, token.generation).await.is_ok());
    }
}

#[tokio::test]
async fn s25_a_tenant_is_seen_in_its_own_transaction_only_and_every_tenant_table_forces_that() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let (one, other) = (replica.connected(&world).await, replica.connected(&world).await);
    let pool = world.db.pool(Role::Auth).await;
    let open: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' \
         and not (relrowsecurity and relforcerowsecurity) order by relname",
    )
    .fetch_all(&world.admin)
    .await
    .unwrap();
    // Ids, counters and times only; the migration says why each is open.
    let mine: Vec<_> = open.iter().map(String::as_str).filter(|name| !name.starts_with('_')).collect();
    assert_eq!(mine, ["ending", "push", "refresh_schedule", "traffic", "workspace"]);

    assert!(sqlx::query("select * from auth.token").fetch_all(&pool).await.is_err(), "no tenant, no rows: an error");
    let mut conn = replica.auth.store.begin(one).await.unwrap();
    for table in ["connection", "token", "flow", "workspace_state", "audit"] {
        let count = format!("select count(*) from auth.{table} where workspace_id = $1");
        let seen =
            |id: domain::WorkspaceId| sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count.clone())).bind(id.0);
        assert!(seen(one).fetch_one(&mut *conn).await.unwrap() > 0, "{table}");
        assert_eq!(seen(other).fetch_one(&mut *conn).await.unwrap(), 0, "{table}");
    }
    let theft = sqlx::query("update auth.token set workspace_id = $1").bind(other.0).execute(&mut *conn).await;
    assert!(theft.is_err());
}

#[tokio::test]
async fn s35_the_audit_log_is_append_only_and_its_chain_shows_a_change() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    replica.disconnect(workspace, false).await.unwrap();
    for statement in ["update auth.audit set actor = 'x'", "delete from auth.audit", "truncate auth.audit"] {
        let mut conn = replica.auth.store.begin(workspace).await.unwrap();
        let refused = sqlx::query(statement).execute(&mut *conn).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
    let mut conn = replica.auth.store.begin(workspace).await.unwrap();
    assert!(audit::verify(&mut conn, workspace).await.unwrap().unwrap() >= 4);
    let actions: Vec<String> =
        sqlx::query_scalar("select action from auth.audit order by number").fetch_all(&mut *conn).await.unwrap();
    for action in ["create", "authorize", "connect", "disconnect"] {
        assert!(actions.iter().any(|known| known == action), "{action} in {actions:?}");
    }
    conn.commit().await.unwrap();

    sqlx::query("update auth.audit set actor = 'mallory' where action = 'connect'")
        .execute(&world.admin)
        .await
        .unwrap();
    let mut conn = replica.auth.store.begin(workspace).await.unwrap();
    let place = actions.iter().position(|action| action == "connect").unwrap();
    let broken = audit::verify(&mut conn, workspace).await.unwrap().unwrap_err();
    assert_eq!(usize::try_from(broken.number).unwrap(), place + 1);
}

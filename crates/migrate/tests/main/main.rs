//! Migrating real servers: twice, at once, and with no more rights than needed.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod rights;

use std::path::Path;

use futures::future::join_all;
use migrate::{Role, RolePasswords};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::NatsUser;

/// The passwords that every role of the test cluster has anyway.
fn passwords_in(url: &str) -> RolePasswords {
    let password = url.split(['/', '@']).nth(2).and_then(|user| user.split(':').nth(1));
    RolePasswords::same(password.unwrap())
}

/// An empty database beside the one that the fixture made.
async fn empty_database(neighbour: &testkit::TestDatabase) -> String {
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&neighbour.admin_url()).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
    let (server, _) =
        neighbour.admin_url().rsplit_once('/').map(|(left, right)| (left.to_owned(), right.len())).unwrap();
    format!("{server}/{name}")
}

/// Every table with its owner and its number of rows at rest in the catalogue.
async fn shape(url: &str) -> Vec<(String, String)> {
    let mut conn = PgConnection::connect(url).await.unwrap();
    sqlx::query_as(
        "select schemaname || '.' || tablename, tableowner::text from pg_tables
         where schemaname in ('auth', 'extractor', 'mapper', 'customers') order by 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let neighbour = testkit::database().await;
    let url = empty_database(&neighbour).await;

    migrate::postgres(&url, &passwords_in(&url)).await.unwrap();
    let once = shape(&url).await;
    migrate::postgres(&url, &passwords_in(&url)).await.unwrap();

    assert_eq!(shape(&url).await, once);
    assert!(once.iter().all(|(_, owner)| owner == "lanesync_owner"), "{once:?}");
    assert_eq!(once.iter().filter(|(table, _)| table.ends_with("._sqlx_migrations")).count(), 4);
}

#[tokio::test]
async fn many_migrations_of_one_cluster_at_once_all_succeed() {
    let neighbour = testkit::database().await;
    let mut urls = Vec::new();
    for _ in 0..3 {
        let url = empty_database(&neighbour).await;
        // Two for each database: one lock is per database, the roles are not.
        urls.extend([url.clone(), url]);
    }

    let outcomes = join_all(urls.iter().map(|url| async { migrate::postgres(url, &passwords_in(url)).await })).await;

    for outcome in outcomes {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn an_administrator_without_superuser_rights_can_migrate() {
    let folder = stack::Folder::new("test").unwrap();
    let search = servers::Search::from_env(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let programs = search.postgres().unwrap();
    let server = stack::Postgres::start(programs, folder.path(), stack::PostgresOptions::default()).await.unwrap();
    let mut superuser = PgConnection::connect(&server.admin_url()).await.unwrap();
    // The rights that a hosted Postgres gives.
    sqlx::query("create role host login createrole createdb password 'pw'").execute(&mut superuser).await.unwrap();
    sqlx::query("create database hosted owner host").execute(&mut superuser).await.unwrap();
    let url = server.url_of("host", "pw", "hosted");

    for _ in 0..2 {
        migrate::postgres(&url, &RolePasswords::same("pw")).await.unwrap();
    }

    for role in Role::ALL {
        PgConnection::connect(&server.url_of(role.name(), "pw", "hosted")).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_reaches_its_own_schema_only_and_owns_nothing() {
    let database = testkit::database().await;
    for role in Role::ALL {
        let mut conn = PgConnection::connect(&database.url(role)).await.unwrap();
        for schema in Role::ALL.map(Role::schema) {
            let may: bool = sqlx::query_scalar("select has_schema_privilege(current_user, $1, 'usage')")
                .bind(schema)
                .fetch_one(&mut conn)
                .await
                .unwrap();
            assert_eq!(may, schema == role.schema(), "{} in {schema}", role.name());
            let create = format!("create table {schema}.forbidden (id int)");
            assert!(sqlx::query(AssertSqlSafe(create)).execute(&mut conn).await.is_err());
        }
        let forbidden = [
            "create table public.forbidden (id int)",
            "create schema forbidden",
            "create temporary table forbidden (id int)",
            "set role lanesync_owner",
            "create role forbidden",
            "create database forbidden",
        ];
        for statement in forbidden {
            let refused = sqlx::query(statement).execute(&mut conn).await;
            assert!(refused.is_err(), "{} may {statement}", role.name());
        }
        let owned: i64 = sqlx::query_scalar("select count(*) from pg_class where relowner = current_user::regrole")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(owned, 0, "{}", role.name());
    }
}

#[tokio::test]
async fn a_table_of_another_service_can_not_be_read() {
    let database = testkit::database().await;
    for (_, table) in tables(&database.admin_url()).await {
        for role in Role::ALL {
            if table.starts_with(&format!("{}.", role.schema())) {
                continue;
            }
            let mut conn = PgConnection::connect(&database.url(role)).await.unwrap();
            let read = sqlx::query(AssertSqlSafe(format!("select * from {table}"))).execute(&mut conn).await;
            let refused = read.unwrap_err().to_string();
            assert!(refused.contains("permission denied for schema"), "{} reads {table}: {refused}", role.name());
        }
    }
}

/// Every table of ours, numbered; at least the four that record migrations.
async fn tables(admin_url: &str) -> Vec<(usize, String)> {
    let found = shape(admin_url).await;
    assert!(found.len() >= 4, "{found:?}");
    found.into_iter().map(|(table, _)| table).enumerate().collect()
}

#[tokio::test]
async fn shaping_nats_twice_and_at_once_changes_nothing() {
    let nats = testkit::nats().await;
    let bus = nats.bus(NatsUser::Migrate).await;
    let outcomes = join_all((0..3).map(|_| migrate::nats(&bus, 1, None))).await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    let checked = messaging::setup::verify(&bus, contract::streams::STREAMS, contract::streams::CONSUMERS).await;
    checked.unwrap();
}

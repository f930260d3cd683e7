//! A Postgres of our own.

use sqlx::{Connection as _, PgConnection};
use stack::{Folder, Postgres, PostgresOptions};
use testkit::eventually_true;

use crate::{LIMIT, is_running, search};

async fn started(folder: &Folder) -> Postgres {
    let programs = search().postgres().unwrap();
    Postgres::start(programs, folder.path(), PostgresOptions::default()).await.unwrap()
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_of_the_server() {
    let folder = Folder::new("test").unwrap();
    let mut server = started(&folder).await;
    let url = server.database("kept").await.unwrap();
    let mut conn = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create table kept (id int); insert into kept values (7)").execute(&mut conn).await.unwrap();

    server.crash().await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().await.unwrap();

    let mut conn = PgConnection::connect(&url).await.unwrap();
    let id: i32 = sqlx::query_scalar("select id from kept").fetch_one(&mut conn).await.unwrap();
    assert_eq!(id, 7);
}

#[tokio::test]
async fn a_dropped_server_is_gone_with_its_connections_and_its_files() {
    let folder = Folder::new("test").unwrap();
    let server = started(&folder).await;
    let mut conn = PgConnection::connect(&server.admin_url()).await.unwrap();
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut conn).await.unwrap();
    let (pid, path) = (server.pid(), folder.path().to_owned());

    drop(server);
    drop(folder);

    assert!(!is_running(pid));
    assert!(!path.exists());
    let backend = u32::try_from(backend).unwrap();
    eventually_true(LIMIT, "the backend to end", || async move { !is_running(backend) }).await;
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let folder = Folder::new("test").unwrap();
    let server = started(&folder).await;
    let with_another = server.url_of("postgres", "guess", "postgres");

    let refused = PgConnection::connect(&with_another).await.unwrap_err();

    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
}

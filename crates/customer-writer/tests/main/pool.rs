//! The pool that a service works with: a connection is used again, unless somebody left it inside a transaction.

use service::config::Database;
use sqlx::PgPool;
use testkit::Role;

async fn backend(pool: &PgPool) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_unless_a_transaction_was_left_open_in_it() {
    let database = testkit::database().await;
    let url_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&url_file, database.url(Role::Writer)).unwrap();
    let config = Database { database_url_file: url_file.path().to_owned(), database_max_connections: 1 };
    let pool = service::postgres::connect(&config, "test").await.unwrap();

    let first = backend(&pool).await;
    for _ in 0..5 {
        assert_eq!(backend(&pool).await, first, "nothing was wrong with it");
    }
    // As a call leaves it whose client gave up while it began a transaction.
    sqlx::raw_sql("begin").execute(&pool).await.unwrap();
    let second = backend(&pool).await;
    assert_ne!(second, first, "a transaction was open in it");
    let mut held = pool.acquire().await.unwrap();
    sqlx::raw_sql("begin").execute(&mut *held).await.unwrap();
    sqlx::raw_sql("select 1 / 0").execute(&mut *held).await.unwrap_err();
    drop(held);
    assert_ne!(backend(&pool).await, second, "its transaction had failed");
}

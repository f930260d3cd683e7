//! The fixtures that every other test stands on.

use std::time::Instant;

use sqlx::Connection as _;
use testkit::Role;

#[tokio::test]
async fn two_tests_do_not_see_each_others_tables() {
    let start = Instant::now();
    let first = testkit::database().await;
    let second = testkit::database().await;
    eprintln!("two databases after {:?}", start.elapsed());
    let start = Instant::now();
    let pool = first.admin_pool().await;
    sqlx::query("create table seen (id int)").execute(&pool).await.unwrap();
    eprintln!("pool after {:?}", start.elapsed());

    let elsewhere = second.admin_pool().await;
    let seen = sqlx::query("select * from seen").fetch_all(&elsewhere).await;
    assert!(seen.unwrap_err().to_string().contains("does not exist"));
}

#[tokio::test]
async fn every_role_logs_in_to_its_own_database() {
    let database = testkit::database().await;
    for role in Role::ALL {
        let mut conn = sqlx::PgConnection::connect(&database.url(role)).await.unwrap();
        let name: String = sqlx::query_scalar("select current_user::text").fetch_one(&mut conn).await.unwrap();
        assert_eq!(name, role.name());
    }
}

#[tokio::test]
async fn a_nats_of_its_own_answers() {
    let start = Instant::now();
    let nats = testkit::nats().await;
    eprintln!("nats after {:?}", start.elapsed());
    let client = nats.connect(testkit::NatsUser::Observer).await.unwrap();
    client.flush().await.unwrap();
}

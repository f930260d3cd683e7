//! Customers by the hundred thousand, without the time that a sync of them takes.

use sqlx::{Connection as _, PgConnection};

use crate::world::World;

/// Rows as a sync left them, with an id, a key, a name, an amount and a moment of their own.
const COPY: &str = "
    with original as (
        select c as held, row_number() over (order by key) as place, count(*) over () as total
          from customers.customer c
    )
    insert into customers.customer
    select copy.*
      from original as o
     cross join lateral generate_series(1, $1 / o.total) as n
     cross join lateral jsonb_populate_record(o.held, jsonb_build_object(
               'own_id', md5(n || '/' || (o.held).key)::uuid,
               'lane_id', md5(n || '/' || (o.held).key)::uuid,
               'key', '001' || lpad(to_hex(n * 1000000 + o.place), 12, '0') || 'AAA',
               'name', (o.held).name || ' ' || n,
               'arr', (o.held).arr * (1 + n % 7),
               'updated_at', (o.held).updated_at - n * interval '1 minute')) as copy
     limit $1 - (select count(*) from original)";

/// Copies what a sync brought until a workspace holds `wanted` customers. It is done in the role of the sync, so that the
/// policies, triggers and indexes of the table see what they always see.
pub(crate) async fn grow(world: &World, workspace: &str, wanted: u32) {
    let url = std::fs::read_to_string(world.stack.database_url_file()).unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let mut transaction = admin.begin().await.unwrap();
    sqlx::query("set local role lanesync_writer").execute(&mut *transaction).await.unwrap();
    sqlx::query("select set_config('lanesync.workspace', $1, true)")
        .bind(workspace)
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query(COPY).bind(i64::from(wanted)).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    // What the autovacuum does within its minute.
    sqlx::query("vacuum analyze customers.customer").execute(&mut admin).await.unwrap();
}

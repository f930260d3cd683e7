//! Which role may do what with which table: every pair is tried.

use std::collections::BTreeMap;

use migrate::Role;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Every table, what its service's role may do with it (select, insert, update, delete), and whether each row belongs to
/// a workspace that the transaction has to name. No other role may do anything.
const TABLES: &[(&str, &str, bool)] = &[
    ("auth._sqlx_migrations", "", false),
    ("auth.audit", "si", true),
    ("auth.audit_anchor", "s", true),
    ("auth.connection", "siu", true),
    ("auth.ending", "siud", false),
    ("auth.flow", "siud", true),
    ("auth.push", "siu", false),
    ("auth.refresh_intent", "siud", true),
    ("auth.refresh_schedule", "siud", false),
    ("auth.token", "siud", true),
    ("auth.traffic", "su", false),
    ("auth.workspace", "siu", false),
    ("auth.workspace_state", "sid", true),
    ("customers._sqlx_migrations", "", false),
    ("customers.applied_chunk", "siud", true),
    ("customers.audit", "si", true),
    ("customers.audit_anchor", "s", true),
    ("customers.change", "siud", true),
    ("customers.chunk_failure", "siud", true),
    ("customers.contact", "siud", true),
    ("customers.customer", "siud", true),
    ("customers.erase_order", "siu", true),
    ("customers.erased", "si", true),
    ("customers.history", "siud", true),
    ("customers.ledger", "siu", false),
    ("customers.parked", "siud", true),
    ("customers.workspace", "siu", false),
    ("extractor._sqlx_migrations", "", false),
    ("extractor.api_usage", "siud", false),
    ("extractor.applied", "siud", false),
    ("extractor.coverage", "siud", true),
    ("extractor.field_list", "siud", true),
    ("extractor.manifest", "siud", true),
    ("extractor.pending", "siud", true),
    ("extractor.run", "siud", true),
    ("extractor.run_object", "siud", true),
    ("extractor.standing", "siud", false),
    ("extractor.traffic_stop", "s", false),
    ("extractor.workspace", "siud", false),
    ("mapper._sqlx_migrations", "", false),
    ("mapper.audit", "si", true),
    ("mapper.audit_anchor", "s", true),
    ("mapper.chore", "siud", false),
    ("mapper.chunk_failure", "siud", true),
    ("mapper.custom_field", "siud", true),
    ("mapper.erased", "si", true),
    ("mapper.field_list", "siud", true),
    ("mapper.field_mapping", "siud", true),
    ("mapper.field_option", "siud", true),
    ("mapper.field_read", "siud", true),
    ("mapper.kind_mapping", "siud", true),
    ("mapper.outbox", "siud", false),
    ("mapper.picklist_value", "siud", true),
    ("mapper.read", "siud", true),
    ("mapper.replay", "siud", false),
    ("mapper.replay_chunk", "siud", false),
    ("mapper.source_record", "siud", true),
    ("mapper.value_mapping", "siud", true),
    ("mapper.workspace", "siud", false),
];

/// A statement of each kind that touches no row, and the letter of its kind; the last is nobody's.
fn statements(table: &str, column: &str) -> [(char, String); 5] {
    [
        ('s', format!("select count(*) from (select from {table} limit 0) as nothing")),
        ('i', format!("insert into {table} default values")),
        ('u', format!("update {table} set {column} = default where false")),
        ('d', format!("delete from {table} where false")),
        ('t', format!("truncate {table}")),
    ]
}

/// Whether Postgres lets a role begin a statement; what the statement does is taken back.
async fn may(conn: &mut PgConnection, statement: String) -> bool {
    let mut transaction = conn.begin().await.unwrap();
    // Without it policies refuse everything, whoever may.
    let bound = "select set_config('lanesync.workspace', '00000000-0000-0000-0000-000000000001', true)";
    sqlx::query(bound).execute(&mut *transaction).await.unwrap();
    let outcome = sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    // A column that may not be null, a policy or a trigger is found only by those that may.
    !outcome.is_err_and(|error| error.to_string().contains("permission denied"))
}

/// The first column of every table.
async fn columns(admin: &mut PgConnection) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, quote_ident(a.attname)
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attnum = 1
          where c.relkind in ('r', 'p') and n.nspname in ('auth', 'extractor', 'mapper', 'customers')",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn s25_every_role_may_with_every_table_exactly_what_is_written_here() {
    let database = testkit::database().await;
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    let columns = columns(&mut admin).await;
    let listed: Vec<_> = TABLES.iter().map(|(table, ..)| *table).collect();
    assert_eq!(listed, columns.keys().collect::<Vec<_>>(), "every table has its row, and every row its table");

    let mut faults = Vec::new();
    for role in Role::ALL {
        let mut conn = PgConnection::connect(&database.url(role)).await.unwrap();
        for (table, own, _) in TABLES {
            let is_own = table.strip_prefix(role.schema()).is_some_and(|rest| rest.starts_with('.'));
            for (kind, statement) in statements(table, &columns[*table]) {
                let is_granted = is_own && own.contains(kind);
                if may(&mut conn, statement.clone()).await != is_granted {
                    faults.push(format!("{}, granted {is_granted}: {statement}", role.name()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn s25_row_security_is_forced_on_every_table_whose_rows_belong_to_a_workspace() {
    let database = testkit::database().await;
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    for (table, _, is_tenant) in TABLES {
        let forced: bool = sqlx::query_scalar(
            "select c.relrowsecurity and c.relforcerowsecurity and exists (select from pg_policy where polrelid = c.oid)
               from pg_class c where c.oid = $1::regclass",
        )
        .bind(table)
        .fetch_one(&mut admin)
        .await
        .unwrap();
        assert_eq!(forced, *is_tenant, "{table}");
    }
    // Nobody passes by it but the administrator.
    let passing: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles where rolname like 'lanesync%' and (rolsuper or rolbypassrls) order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(passing, Vec::<String>::new());
}

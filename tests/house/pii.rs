//! The map of CRM values, kept true: docs/pii-map.md is compared with the tables that the migrations make.

use std::collections::BTreeSet;

/// A column as "schema.table.column".
type Columns = BTreeSet<String>;

/// Reads the rows "| `schema.table` | `column` … | class | kept |" and checks their classes.
fn mapped(text: &str) -> Columns {
    let table = text.split("## Tables").nth(1).expect("the map has a heading 'Tables'");
    let table = table.split("\n## ").next().unwrap();
    let mut columns = Columns::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (name, class, kept) = (cells[1].trim_matches('`'), cells[3], cells[4]);
        assert!(["crm", "secret", "none"].contains(&class), "{name} has the class {class:?}");
        assert!(class == "none" || !kept.is_empty(), "{name} does not say how long it is kept");
        for column in cells[2].split('`').skip(1).step_by(2) {
            assert!(columns.insert(format!("{name}.{column}")), "{name}.{column} is on the map twice");
        }
    }
    columns
}

#[tokio::test]
async fn s36_every_column_that_could_hold_a_crm_value_is_on_the_map_and_no_other() {
    let text = std::fs::read_to_string(super::root().join("docs/pii-map.md")).unwrap();
    let database = testkit::database().await;
    let real: Vec<String> = sqlx::query_scalar(
        "select table_schema || '.' || table_name || '.' || column_name
           from information_schema.columns
          where table_schema in ('auth', 'extractor', 'mapper', 'customers')
            and table_name not like '\\_%'
            and data_type not in ('uuid', 'bigint', 'integer', 'smallint', 'boolean', 'timestamp with time zone',
                                  'double precision')",
    )
    .fetch_all(&database.admin_pool().await)
    .await
    .unwrap();
    let (mapped, real) = (mapped(&text), real.into_iter().collect::<Columns>());
    assert!(real.len() > 100, "the tables were migrated");
    let missing: Vec<_> = real.difference(&mapped).collect();
    assert!(missing.is_empty(), "docs/pii-map.md lacks {missing:?}");
    let gone: Vec<_> = mapped.difference(&real).collect();
    assert!(gone.is_empty(), "docs/pii-map.md names {gone:?}, which are not there");
}

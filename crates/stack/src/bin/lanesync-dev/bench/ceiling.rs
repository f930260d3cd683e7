//! What this machine could carry if nothing but one stage had to be done.

use std::time::Instant;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use stack::{Simulator, Stack};

/// Rows of one statement.
const BATCH: i64 = 1_000;
/// Tables that a record is written to, with their keys: the image, and what it became.
const IMAGES: (&str, &str) = ("mapper.source_record", "workspace_id, object, salesforce_id");
const CUSTOMERS: (&str, &str) = ("customers.customer", "workspace_id, key");
const CONTACTS: (&str, &str) = ("customers.contact", "workspace_id, key");

/// Records per second when the rows that are there now are only upserted, many at once, into copies of both tables.
///
/// The rows never leave the server: no parsing, no parameters. A client could not be faster.
pub(crate) async fn upsert(stack: &Stack) -> anyhow::Result<f64> {
    let url = std::fs::read_to_string(stack.database_url_file()).context("reading the database URL")?;
    let mut one = PgConnection::connect(url.trim()).await.context("connecting to Postgres")?;
    let mut other = PgConnection::connect(url.trim()).await.context("connecting to Postgres")?;
    sqlx::query("create schema bench").execute(&mut one).await?;
    for (table, _) in [IMAGES, CUSTOMERS, CONTACTS] {
        let (copy, places) = (copy_of(table), places_of(table));
        for statement in [
            format!("create table {copy} (like {table} including all)"),
            format!("create table {places} as select row_number() over () as n, ctid as place from {table}"),
            format!("create unique index on {places} (n)"),
            format!("analyze {places}"),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut one).await?;
        }
    }
    let begun = Instant::now();
    let images = upsert_table(&mut one, IMAGES);
    let people = async {
        let customers = upsert_table(&mut other, CUSTOMERS).await?;
        anyhow::Ok(customers + upsert_table(&mut other, CONTACTS).await?)
    };
    let (images, _) = tokio::try_join!(images, people)?;
    Ok((images as f64 / begun.elapsed().as_secs_f64()).round())
}

fn copy_of(table: &str) -> String {
    format!("bench.{}", table.rsplit('.').next().unwrap_or(table))
}

/// Where the rows of the original lie, numbered: reading a batch costs next to nothing beside writing it.
fn places_of(table: &str) -> String {
    format!("{}_place", copy_of(table))
}

async fn upsert_table(connection: &mut PgConnection, (table, key): (&str, &str)) -> anyhow::Result<i64> {
    let (copy, places) = (copy_of(table), places_of(table));
    let statement = format!(
        "insert into {copy}
         select t.* from {places} p join {table} t on t.ctid = p.place where p.n > $1 and p.n <= $1 + {BATCH}
             on conflict ({key}) do update set workspace_id = excluded.workspace_id"
    );
    let mut total = 0;
    loop {
        let batch = sqlx::query(AssertSqlSafe(statement.clone())).bind(total).execute(&mut *connection).await?;
        match i64::try_from(batch.rows_affected()).context("a batch is small")? {
            0 => return Ok(total),
            written => total += written,
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "nextRecordsUrl")]
    next: Option<String>,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

/// Records per second when the pages of all contacts are only downloaded and split into records.
pub(crate) async fn parse(simulator: &Simulator) -> anyhow::Result<f64> {
    let salesforce = simulator.salesforce();
    let secret_file = salesforce.client_secret_file.context("the simulator has a client secret")?;
    let secret = std::fs::read_to_string(secret_file).context("reading the client secret")?;
    let http = reqwest::Client::builder().no_proxy().build().context("making an HTTP client")?;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", salesforce.client_id.as_deref().unwrap_or_default()),
        ("client_secret", secret.trim()),
    ];
    let token = http.post(format!("{}/services/oauth2/token", simulator.url())).form(&form).send().await?;
    let Token { access_token } = token.error_for_status()?.json().await.context("reading the token")?;

    let soql = "SELECT Id,Name,Email,Phone,Title,MailingCountry,AccountId,SystemModstamp,IsDeleted FROM Contact";
    let query = |url: String| http.get(url).bearer_auth(&access_token).header("accept-encoding", "gzip");
    let (mut records, mut seconds) = (0, 0.0);
    // The first pass makes the simulator render its pages; only the second is timed.
    for _ in 0..2 {
        records = 0;
        let begun = Instant::now();
        let mut request = query(format!("{}/services/data/v67.0/query", simulator.url())).query(&[("q", soql)]);
        loop {
            let body = request.send().await?.error_for_status()?.bytes().await?;
            let text = std::str::from_utf8(&body).context("a page is UTF-8")?;
            let page: Page<'_> = serde_json::from_str(text).context("reading a page")?;
            records += page.records.len();
            match page.next {
                Some(next) => request = query(format!("{}{next}", simulator.url())),
                None => break,
            }
        }
        seconds = begun.elapsed().as_secs_f64();
    }
    Ok((records as f64 / seconds).round())
}

//! `cargo x up`: the product, until somebody stops it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use stack::{NatsAccess, NatsUser, Salesforce, ServiceName, Stack, StackOptions};

use crate::interrupt::Interrupts;

/// Starts the product, prints one line of JSON with every address, and runs until it is told to end.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let options = options()?;
    let mut stack = tokio::select! {
        stack = Stack::up(&options) => stack?,
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", addresses(&stack)).context("printing the addresses")?;
    out.flush().context("printing the addresses")?;

    loop {
        tokio::select! {
            _ = interrupts.next() => break,
            () = keep_alive(&mut stack) => {}
        }
    }
    tokio::select! {
        down = stack.down() => down?,
        // A second request: dropping the stack kills what still runs.
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks after a while whether everything still runs, and starts again what does not.
async fn keep_alive(stack: &mut Stack) {
    const PAUSE: Duration = Duration::from_millis(500);

    tokio::time::sleep(PAUSE).await;
    // What can't be said because nobody listens is not worth ending for.
    match stack.revive().await {
        Ok(revived) => {
            for part in revived {
                writeln!(std::io::stderr(), "started again: {part}").ok();
            }
        }
        Err(error) => {
            writeln!(std::io::stderr(), "{error:#}").ok();
        }
    }
}

/// The stack that the environment asks for.
fn options() -> anyhow::Result<StackOptions> {
    let mut options = StackOptions::new(crate::programs()?, crate::search());
    options.salesforce = Salesforce {
        login_url: text("LANESYNC_SALESFORCE_LOGIN_URL")?,
        client_id: text("LANESYNC_SALESFORCE_CLIENT_ID")?,
        client_secret_file: path("LANESYNC_SALESFORCE_CLIENT_SECRET_FILE")?,
        ca_file: path("LANESYNC_SALESFORCE_CA_FILE")?,
        allow_test_hosts: flag("LANESYNC_SALESFORCE_ALLOW_TEST_HOSTS")?,
    };
    options.database_url_file = path("LANESYNC_DATABASE_URL_FILE")?;
    options.token_keys_file = path("LANESYNC_TOKEN_KEYS_FILE")?;
    options.public_url = text("LANESYNC_PUBLIC_URL")?;
    // With a provider of identities, people sign in there.
    options.development_sign_in = text("LANESYNC_CONSOLE_OIDC_ISSUER")?.is_none();
    for name in ["ISSUER", "CLIENT_ID", "CLIENT_SECRET_FILE", "CA_FILE", "WORKSPACE_CLAIM", "ROLE_CLAIM"] {
        let name = format!("LANESYNC_CONSOLE_OIDC_{name}");
        if let Some(value) = std::env::var_os(&name) {
            options.settings.push((ServiceName::Console, name, value));
        }
    }
    if let Some(log) = text("LANESYNC_LOG")? {
        options.log = log;
    }
    if let Some(url) = text("LANESYNC_NATS_URL")? {
        options.nats = Some(NatsAccess {
            url,
            user: text("LANESYNC_NATS_USER")?,
            password_file: path("LANESYNC_NATS_PASSWORD_FILE")?,
        });
    }
    for name in [
        "LANESYNC_SALESFORCE_API_BUDGET_PERCENT",
        "LANESYNC_SALESFORCE_API_VERSION",
        "LANESYNC_EXTRACTOR_BULK_THRESHOLD",
        "LANESYNC_EXTRACTOR_SETTLE",
        "LANESYNC_EXTRACTOR_OVERLAP",
    ] {
        if let Some(value) = std::env::var_os(name) {
            options.settings.push((ServiceName::Extractor, name.to_owned(), value));
        }
    }
    Ok(options)
}

fn text(name: &str) -> anyhow::Result<Option<String>> {
    let unreadable = |_: OsString| anyhow::anyhow!("{name} is not text");
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(|value| value.into_string().map_err(unreadable))
        .transpose()
}

/// A file, made absolute: the services run in another folder.
fn path(name: &str) -> anyhow::Result<Option<PathBuf>> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(|value| std::path::absolute(value).with_context(|| format!("reading {name}")))
        .transpose()
}

fn flag(name: &str) -> anyhow::Result<bool> {
    match text(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => anyhow::bail!("{name} must be true or false"),
    }
}

/// Every address of a running stack.
fn addresses(stack: &Stack) -> Value {
    let mut all = serde_json::Map::new();
    all.insert("ready".to_owned(), json!(true));
    for name in ServiceName::ALL.into_iter().filter(|name| *name != ServiceName::Console) {
        let listening = stack.service(name).addresses();
        let of_service = json!({
            "grpc": stack.grpc_url(name),
            "health": format!("http://{}", listening.health),
            "metrics": format!("http://{}/metrics", listening.metrics),
        });
        all.insert(name.short().to_owned(), of_service);
    }
    let observer = stack.nats_access(NatsUser::Observer);
    all.insert("database_url_file".to_owned(), json!(stack.database_url_file()));
    all.insert("nats_url".to_owned(), json!(observer.url));
    all.insert("nats_user".to_owned(), json!(observer.user));
    all.insert("nats_password_file".to_owned(), json!(observer.password_file));
    all.insert("logs".to_owned(), json!(stack.folder()));
    all.insert("console".to_owned(), json!(stack.console_url()));
    Value::Object(all)
}

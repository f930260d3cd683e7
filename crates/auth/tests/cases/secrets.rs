//! No secret in what is stored, said or printed.

use std::io::Write;
use std::sync::{Arc, Mutex};

use contract::common::v1::Plan;
use salesforce_sim::{AppSpec, Command, Endpoint, Fault, FaultRule};

use crate::harness::World;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn s11_s12_nothing_that_is_said_logged_or_stored_holds_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    // The test's runtime has this one thread, so what is spawned logs here too; the simulator has threads of its own.
    let catching = tracing::subscriber::set_default(subscriber);
    // With one dispatcher alone, tests on other threads would switch off what they log first, for this thread too.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let (secrets, said, stored) = live_through_everything().await;
    drop(catching);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("Salesforce refused the grant"), "the log was caught");
    for secret in secrets {
        assert!(secret.len() > 10, "a secret worth looking for");
        assert!(!said.contains(&secret), "said");
        assert!(!stored.contains(&secret), "stored");
        for line in logged.lines().filter(|line| line.contains(&secret)) {
            // The HTTP library's own traces are off in production, whatever the filter says of ours.
            assert!(line.contains("hyper_util::") || line.contains("reqwest::"), "logged: {line}");
        }
    }
}

/// Returns secrets that were there, everything that was said, and the whole schema as text.
async fn live_through_everything() -> (Vec<String>, String, String) {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let mut said = String::new();
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let callback = world.visit(&begun.authorize_url, "allow", None).await;
    let mut secrets = vec![callback.state.clone(), callback.code.clone(), AppSpec::default().client_secret];
    said += &format!("{:?}", replica.complete(callback.clone()).await);
    said += &format!("{:?}", replica.complete(callback).await);

    let first = replica.token(workspace, 0).await.unwrap();
    let second = replica.token(workspace, first.generation).await.unwrap();
    said += &format!("{first:?} {second:?} {:?}", replica.auth);
    let access = replica.auth.tokens.access_token(workspace, 0).await.unwrap();
    said += &format!("{access:?}");
    secrets.extend([first.token, second.token.clone()]);

    for fault in [Fault::TokenUnknownError, Fault::Maintenance, Fault::DailyLimit] {
        world.sim.fault(FaultRule::once(Endpoint::Token, fault));
        said += &format!("{:?}", replica.token(workspace, second.generation).await);
        replica.token_at_last(workspace, second.generation).await.unwrap();
    }
    let stored = schema_text(&world).await;
    world.sim.order(Command::RevokeGrants { org: None }).unwrap();
    let current = replica.token(workspace, 0).await.unwrap().generation;
    said += &format!("{:?}", replica.token_at_last(workspace, current).await.unwrap_err());
    said += &format!("{:?}", replica.disconnect(workspace, true).await);
    (secrets, said, stored)
}

async fn schema_text(world: &World) -> String {
    let mut text = String::new();
    for table in ["workspace", "connection", "token", "flow", "refresh_intent", "workspace_state", "push", "audit"] {
        let rows = sqlx::AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from auth.{table} t"));
        let as_text: String = sqlx::query_scalar(rows).fetch_one(&world.admin).await.unwrap();
        // Byte columns print as hexadecimal: what they hold is looked for as text too.
        let bytes: Vec<u8> = as_text
            .split("\\x")
            .skip(1)
            .flat_map(|hex| {
                hex.as_bytes().chunks(2).map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            })
            .collect();
        text += &as_text;
        text += &String::from_utf8_lossy(&bytes);
    }
    text
}

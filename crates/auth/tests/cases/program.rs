//! The binary: what it refuses to start with, and its commands.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use testkit::Role;

use crate::harness::{K1, K2, World};

fn run(arguments: &[&str], folder: &TempDir) -> Output {
    let path = |name: &str| folder.path().join(name);
    Command::new(env!("CARGO_BIN_EXE_lanesync-auth"))
        .args(arguments)
        .env_clear()
        .env("LANESYNC_TOKEN_KEYS_FILE", path("keys.json"))
        .env("LANESYNC_DATABASE_URL_FILE", path("database"))
        .env("LANESYNC_SALESFORCE_CLIENT_ID", "id")
        .env("LANESYNC_SALESFORCE_CLIENT_SECRET_FILE", path("secret"))
        .env("LANESYNC_PUBLIC_URL", "https://lane.example")
        .env("LANESYNC_EXTRACTOR_URL", "http://127.0.0.1:1")
        .env("LANESYNC_MAPPER_URL", "http://127.0.0.1:1")
        .env("LANESYNC_WRITER_URL", "http://127.0.0.1:1")
        .output()
        .unwrap()
}

fn write_keys(folder: &Path, keys: &[(&str, &str)]) {
    let keys: Vec<_> = keys.iter().map(|(id, key)| serde_json::json!({ "id": id, "key": key })).collect();
    std::fs::write(folder.join("keys.json"), serde_json::json!({ "keys": keys }).to_string()).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn s9_without_a_good_keys_file_the_service_does_not_start_and_says_which_setting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("database"), "postgres://nobody@127.0.0.1:1/none").unwrap();
    std::fs::write(folder.path().join("secret"), "a-secret-worth-hiding").unwrap();
    let missing = run(&["serve"], &folder);
    write_keys(folder.path(), &[("k1", "AAEC")]);
    let short = run(&["serve"], &folder);
    for (output, words) in [(missing, "reading the token keys file"), (short, "32 bytes")] {
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{said}");
        assert!(!said.contains("AAEC") && !said.contains("a-secret-worth-hiding"), "{said}");
    }
}

#[test]
fn config_that_is_missing_is_named_at_once_and_ends_with_78() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lanesync-auth")).args(["config", "check"]).env_clear().output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    for name in ["LANESYNC_TOKEN_KEYS_FILE", "LANESYNC_DATABASE_URL_FILE", "LANESYNC_SALESFORCE_CLIENT_ID"] {
        assert!(said.contains(&format!("{name} is missing")), "{said}");
    }
}

#[tokio::test]
async fn s10_s14_s35_operators_rotate_keys_stop_traffic_and_check_the_log_by_command() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("database"), world.db.url(Role::Auth)).unwrap();
    write_keys(folder.path(), &[("k2", K2), ("k1", K1)]);
    let succeed = |arguments: &[&str]| {
        let output = run(arguments, &folder);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };

    assert_eq!(succeed(&["keys", "rotate", "--dry-run"]), "wrapped anew: 0\nk1: 1\nk2: 0\n");
    assert_eq!(succeed(&["keys", "rotate"]), "wrapped anew: 1\nk2: 1\n");
    let id = workspace.to_string();
    assert_eq!(succeed(&["traffic", "stop", "--workspace", &id]), "stopped\n");
    assert!(replica.token(workspace, 0).await.is_err());
    assert_eq!(succeed(&["traffic", "resume", "--workspace", &id]), "flowing\n");
    assert!(succeed(&["audit", "verify", "--workspace", &id]).ends_with("unbroken\n"));
    assert_eq!(succeed(&["audit", "verify"]), "1 entries, unbroken\n");

    sqlx::query("update auth.audit set detail = 'x' where number = 2").execute(&world.admin).await.unwrap();
    let output = run(&["audit", "verify", "--workspace", &id], &folder);
    assert!(!output.status.success() && text(&output.stderr).contains("entry 2"));
}

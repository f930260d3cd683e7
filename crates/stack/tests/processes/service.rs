//! One service.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use stack::{Addresses, Folder, Service, ServiceName};
use tonic_health::ServingStatus;

/// A folder whose `lanesync-auth` is this shell script.
fn programs(folder: &Folder, script: &str) -> PathBuf {
    let programs = folder.private("programs").unwrap();
    let program = programs.join(ServiceName::Auth.program());
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    programs
}

fn spawn(folder: &Folder, script: &str, addresses: Addresses) -> Service {
    let programs = programs(folder, script);
    let settings = BTreeMap::from([("LANESYNC_LOG".into(), "info".into())]);
    Service::spawn(ServiceName::Auth, &programs, settings, addresses, folder.path()).unwrap()
}

#[tokio::test]
async fn a_service_that_ends_instead_of_serving_is_reported_with_its_last_words() {
    let folder = Folder::new("test").unwrap();
    let mut service = spawn(&folder, "echo no key ring; exit 2", Addresses::free().unwrap());

    let error = service.ready().await.unwrap_err().to_string();

    assert!(error.contains("lanesync-auth ended") && error.contains("no key ring"), "{error}");
}

#[tokio::test]
async fn a_service_sees_its_settings_and_not_the_environment_of_its_parent() {
    let folder = Folder::new("test").unwrap();
    let mut service = spawn(&folder, "env; exit 2", Addresses::free().unwrap());

    service.ready().await.unwrap_err();

    let seen = std::fs::read_to_string(service.log()).unwrap();
    let health = service.addresses().health;
    assert!(seen.contains("LANESYNC_LOG=info"), "{seen}");
    assert!(seen.contains(&format!("LANESYNC_HEALTH_ADDR={health}")), "{seen}");
    assert!(!seen.contains("CARGO_"), "{seen}");
}

#[tokio::test]
async fn a_service_is_ready_only_when_it_says_so() {
    let folder = Folder::new("test").unwrap();
    let addresses = Addresses::free().unwrap();
    let (health, server) = tonic_health::server::health_reporter();
    health.set_service_status("readiness", ServingStatus::NotServing).await;
    let serving = tonic::transport::Server::builder().add_service(server).serve(addresses.health);
    let story = async {
        let mut service = spawn(&folder, "exec sleep 1000", addresses);
        let too_early = tokio::time::timeout(Duration::from_millis(300), service.ready()).await;
        assert!(too_early.is_err(), "an answer alone is no readiness");

        health.set_service_status("readiness", ServingStatus::Serving).await;
        service.ready().await.unwrap();

        service.stop().await.unwrap();
        assert!(service.exit_status().unwrap().is_some());
    };
    tokio::select! {
        _ = serving => panic!("the health server ended"),
        () = story => {}
    }
}

//! The compose files: what every container may, by what is written. `cargo x compose-check` asks the engine.

use serde_json::Value;

use crate::{documents, read, texts};

fn services() -> Vec<(String, Value)> {
    let files = ["docker-compose.yml", "deploy/observability/compose.yml"].map(|file| documents(&read(file)).remove(0));
    let all = files.iter().flat_map(|file| file["services"].as_object().unwrap().clone());
    // The second file only adds a variable to the services of the first.
    all.filter(|(_, service)| service["image"].is_string()).collect()
}

#[test]
fn no_container_may_more_than_it_must() {
    assert!(services().iter().any(|(name, _)| name == "grafana"));
    for (name, service) in services() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(service["user"].as_str().is_some_and(|user| !user.starts_with("0")), "{name} runs as root");
        assert!(service["mem_limit"].is_string() && service["pids_limit"].is_u64(), "{name}");
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is reached from other machines: {port}");
        }
    }
}

#[test]
fn every_image_of_others_is_pinned_by_tag_and_digest() {
    let ours = |(_, service): &(String, Value)| {
        service["image"].as_str().unwrap().contains("/lanesync-") || service.get("build").is_some()
    };
    for (name, service) in services().into_iter().filter(|service| !ours(service)) {
        let image = service["image"].as_str().unwrap();
        let (tag, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{name}: {image}"));
        assert!(tag.rsplit('/').next().unwrap().contains(':'), "{name}: {image}");
        assert_eq!(digest.trim_end_matches('}').len(), 64, "{name}: {image}");
    }
}

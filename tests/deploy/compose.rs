//! The compose file: what every container may, by what is written. `cargo x compose-check` asks the engine.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{documents, items, read, root, texts};

fn services() -> Vec<(String, Value)> {
    let file = documents(&read("docker-compose.yml")).remove(0);
    file["services"].as_object().unwrap().clone().into_iter().collect()
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

#[test]
fn the_profile_of_observability_stands_on_files_that_are_there_and_its_settings_name_its_collector() {
    let of_profile: Vec<_> =
        services().into_iter().filter(|(_, service)| texts(&service["profiles"]) == ["observability"]).collect();
    let names: BTreeSet<_> = of_profile.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["collector", "grafana", "prometheus", "tempo"]));
    for (name, service) in &of_profile {
        for mount in texts(&service["volumes"]).into_iter().filter(|mount| mount.starts_with("./")) {
            let path = mount.split(':').next().unwrap();
            assert!(root().join(path).exists(), "{name} mounts {path}, which is not there");
            assert!(mount.ends_with(":ro"), "{name} may write {path}");
        }
    }
    let settings = read("deploy/compose/observability.env");
    assert!(settings.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317\n"), "{settings}");
    let collector = &documents(&read("deploy/observability/otel-collector.yaml"))[0];
    assert_eq!(collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"], "0.0.0.0:4317");
    // Prometheus reaches every service that it scrapes by the service's name.
    let scraped = &documents(&read("deploy/observability/prometheus/prometheus.yml"))[0]["scrape_configs"];
    for job in items(scraped) {
        let name = job["job_name"].as_str().unwrap();
        assert!(services().iter().any(|(known, _)| known == name), "no service is called {name}");
    }
}

//! Mutual TLS in a cluster: every server has the certificate of its own identity, and calls nobody in the clear.

use std::collections::{BTreeMap, BTreeSet};

use contract::access::Identity;
use serde_json::Value;

use crate::manifests::{PROD, PROD_MTLS, component, of_kind, pods, variables};
use crate::{items, texts};

/// The certificates by the Secret that they are kept in, the authority's apart.
fn certificates() -> BTreeMap<&'static str, &'static Value> {
    let all = PROD_MTLS.iter().filter(|object| object["kind"] == "Certificate" && object["spec"]["isCA"] != true);
    all.map(|certificate| (certificate["spec"]["secretName"].as_str().unwrap(), &certificate["spec"])).collect()
}

/// The addresses of peers that a pod is told.
fn peers(pod: &Value) -> impl Iterator<Item = &str> {
    variables(pod).into_values().filter(|value| value.contains("://lanesync-"))
}

#[test]
fn s22_every_identity_has_a_certificate_that_lives_for_a_day() {
    let uris: BTreeSet<_> = certificates().values().flat_map(|spec| texts(&spec["uris"])).collect();
    assert_eq!(uris, Identity::ALL.map(Identity::uri).into());
    for (secret, spec) in certificates() {
        assert_eq!(texts(&spec["uris"]).len(), 1, "{secret}");
        assert_eq!((spec["duration"].as_str(), spec["renewBefore"].as_str()), (Some("24h"), Some("8h")), "{secret}");
        assert_eq!(spec["privateKey"]["rotationPolicy"], "Always", "{secret}");
    }
}

#[test]
fn s22_every_server_shows_its_own_certificate_and_calls_nobody_in_the_clear() {
    let with_links = pods(&PROD_MTLS).into_iter().filter(|(name, _)| *name != "migrate");
    for (name, pod) in with_links {
        let settings = variables(pod);
        for (setting, file) in [("CERT", "tls.crt"), ("KEY", "tls.key"), ("CLIENT_CA", "ca.crt")] {
            let path = format!("/run/certificates/{file}");
            assert_eq!(settings[format!("LANESYNC_TLS_{setting}_FILE").as_str()], path, "{name}");
        }
        let volume = items(&pod["volumes"]).find(|volume| volume["name"] == "certificates").unwrap();
        let certificate = certificates()[volume["secret"]["secretName"].as_str().unwrap()];
        assert_eq!(texts(&certificate["uris"]), [format!("spiffe://lanesync/{name}")], "{name}");
        let mount = items(&pod["containers"][0]["volumeMounts"]).find(|mount| mount["name"] == "certificates").unwrap();
        assert_eq!((mount["mountPath"].as_str(), &mount["readOnly"]), (Some("/run/certificates"), &true.into()));

        assert!(peers(pod).count() > 0, "{name}");
        for address in peers(pod) {
            let host = address.strip_prefix("https://").and_then(|rest| rest.strip_suffix(":50051"));
            let host = host.unwrap_or_else(|| panic!("{name} calls {address}"));
            let shown = certificates()[format!("{host}-tls").as_str()];
            assert!(texts(&shown["dnsNames"]).contains(&host), "{name} would not know {host}");
        }
    }
}

#[test]
fn who_calls_whom_is_the_same_with_mutual_tls() {
    let plain: BTreeMap<_, BTreeSet<_>> =
        pods(&PROD).into_iter().map(|(name, pod)| (name, peers(pod).map(str::to_owned).collect())).collect();
    for (name, pod) in pods(&PROD_MTLS) {
        let sealed: BTreeSet<_> = peers(pod).map(|address| address.replacen("https", "http", 1)).collect();
        assert_eq!(sealed, plain[name], "{name}");
    }
    for (name, service) in of_kind(&PROD_MTLS, "Service") {
        let grpc = items(&service["spec"]["ports"]).find(|port| port["name"] == "grpc");
        assert!(grpc.is_none_or(|port| port["appProtocol"] == "https"), "{name}");
    }
    assert!(PROD_MTLS.iter().filter(|object| object["kind"] == "Issuer").all(|issuer| component(issuer).is_empty()));
}

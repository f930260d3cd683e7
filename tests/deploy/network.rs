//! Who may call whom: the policies allow what the services are told to call, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::items;
use crate::manifests::{PROD, pods, variables};

/// Caller and callee.
type Calls = BTreeSet<(String, String)>;

/// What the settings tell the services to call.
fn told() -> Calls {
    let mut calls = Calls::new();
    for (caller, pod) in pods(&PROD) {
        for address in variables(pod).into_values() {
            if let Some(callee) = address.strip_prefix("http://lanesync-").and_then(|rest| rest.strip_suffix(":50051"))
            {
                calls.insert((caller.to_owned(), callee.to_owned()));
            }
        }
    }
    calls
}

fn policies() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let all = PROD.iter().filter(|object| object["kind"] == "NetworkPolicy");
    all.map(|policy| (policy["metadata"]["name"].as_str().unwrap().strip_prefix("lanesync-").unwrap(), &policy["spec"]))
}

/// The components that the rules of one direction name for the port of the API.
fn peers<'a>(rules: &'a Value, side: &str) -> Vec<&'a str> {
    let for_api = items(rules).filter(|rule| items(&rule["ports"]).any(|port| port["port"] == 50051));
    let peers = for_api.flat_map(|rule| items(&rule[side]));
    peers.map(|peer| peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"].as_str().unwrap()).collect()
}

#[test]
fn callers_may_leave_and_callees_may_be_entered_exactly_as_the_settings_say() {
    let (mut leave, mut enter) = (Calls::new(), Calls::new());
    for (name, spec) in policies() {
        leave.extend(peers(&spec["egress"], "to").into_iter().map(|callee| (name.to_owned(), callee.to_owned())));
        enter.extend(peers(&spec["ingress"], "from").into_iter().map(|caller| (caller.to_owned(), name.to_owned())));
    }
    assert!(told().contains(&("mapper".to_owned(), "extractor".to_owned())));
    assert_eq!(leave, told());
    assert_eq!(enter, told());
}

#[test]
fn what_no_policy_names_is_denied() {
    let nothing = policies().find(|(name, _)| *name == "nothing").unwrap().1;
    assert_eq!(*nothing, json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }));
}

#[test]
fn only_those_that_talk_to_the_outside_may_and_stores_are_reached_by_those_that_have_an_address() {
    let port_open = |spec: &Value, wanted: u16| {
        items(&spec["egress"]).any(|rule| items(&rule["ports"]).any(|port| port["port"] == wanted))
    };
    for (name, pod) in pods(&PROD) {
        let spec = policies().find(|(policy, _)| *policy == name).unwrap().1;
        let settings = variables(pod);
        assert_eq!(port_open(spec, 5432), settings.contains_key("LANESYNC_DATABASE_URL_FILE"), "{name}: Postgres");
        assert_eq!(port_open(spec, 4222), settings.contains_key("LANESYNC_NATS_URL"), "{name}: NATS");
        assert_eq!(port_open(spec, 443), ["auth", "extractor", "console"].contains(&name), "{name}: the outside");
    }
}

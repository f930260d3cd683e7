//! The Kubernetes manifests: valid, the same by Kustomize and by Helm, and confined.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use contract::streams;
use serde_json::{Value, json};

use crate::{documents, items, output, read, texts, tool};

const KUBERNETES: &str = "1.37";
const SERVERS: [&str; 5] = ["auth", "console", "customer-writer", "extractor", "mapper"];
/// Kinds of others, whose schemas no package carries.
const FOREIGN: [&str; 4] = ["Certificate", "Issuer", "ScaledObject", "ServiceMonitor"];

pub(crate) static DEV: LazyLock<Vec<Value>> = LazyLock::new(|| kustomize("dev"));
pub(crate) static PROD: LazyLock<Vec<Value>> = LazyLock::new(|| kustomize("prod"));
pub(crate) static PROD_MTLS: LazyLock<Vec<Value>> = LazyLock::new(|| kustomize("prod-mtls"));

fn kustomize(overlay: &str) -> Vec<Value> {
    documents(&output(tool("kubectl").arg("kustomize").arg(format!("deploy/kustomize/overlays/{overlay}"))))
}

fn helm(values: &[&str]) -> Vec<Value> {
    let chart = ["template", "lanesync", "deploy/helm/lanesync", "--namespace", "lanesync"];
    documents(&output(tool("helm").args(chart).args(values)))
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let found = objects.iter().filter(|object| object["kind"] == kind);
    found.map(|object| (component(object), object)).collect()
}

pub(crate) fn component(object: &Value) -> &str {
    object["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap_or_default()
}

/// The pods that are made of the objects: of each Deployment, and of the Job.
pub(crate) fn pods(objects: &[Value]) -> BTreeMap<&str, &Value> {
    let with_pods = objects.iter().filter(|object| object["kind"] == "Deployment" || object["kind"] == "Job");
    with_pods.map(|object| (component(object), &object["spec"]["template"]["spec"])).collect()
}

/// The variables of a pod's container.
pub(crate) fn variables(pod: &Value) -> BTreeMap<&str, &str> {
    let all = items(&pod["containers"][0]["env"]);
    all.map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap_or_default())).collect()
}

#[test]
fn every_object_holds_against_the_strict_schema_of_kubernetes() {
    let folder = tempfile::tempdir().unwrap();
    let all = [("dev", &*DEV), ("prod", &*PROD), ("prod-mtls", &*PROD_MTLS), ("helm", &helm(&[]))];
    for (name, objects) in all {
        let file = folder.path().join(format!("{name}.yaml"));
        let ours = objects.iter().filter(|object| !FOREIGN.contains(&object["kind"].as_str().unwrap()));
        let text: String = ours.map(|object| format!("---\n{}", yaml_serde::to_string(object).unwrap())).collect();
        fs::write(&file, text).unwrap();
        output(tool("kubernetes-validate").args(["--strict", "--kubernetes-version", KUBERNETES]).arg(file));
    }
}

#[test]
fn the_validator_refuses_a_misspelt_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    fs::write(&file, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: a}, automountToken: true}").unwrap();
    let mut validate = tool("kubernetes-validate");
    validate.args(["--strict", "--kubernetes-version", KUBERNETES]).arg(file);
    assert!(!validate.output().unwrap().status.success());
}

#[test]
fn the_chart_renders_what_the_prod_overlay_renders() {
    assert_same(&PROD, &helm(&[]));
}

#[test]
fn the_chart_renders_what_the_prod_overlay_with_mutual_tls_renders() {
    assert_same(&PROD_MTLS, &helm(&["--set", "mtls=true"]));
}

fn assert_same(overlay: &[Value], chart: &[Value]) {
    // A release does not make the namespace that it lives in.
    let kustomize =
        overlay.iter().filter(|object| object["kind"] != "Namespace").map(comparable).collect::<BTreeMap<_, _>>();
    let helm = chart.iter().map(comparable).collect::<BTreeMap<_, _>>();
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&helm), names(&kustomize));
    for (name, object) in &kustomize {
        assert_eq!(&helm[name], object, "{name}");
    }
}

/// An object by its name, without what must differ: who made it, Helm's hooks, and the order of named things.
fn comparable(object: &Value) -> (String, Value) {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields
                    .iter()
                    .filter(|(key, _)| !["app.kubernetes.io/managed-by", "annotations"].contains(&key.as_str()));
                Value::Object(kept.map(|(key, value)| (key.clone(), plain(value))).collect())
            }
            Value::Array(values) => {
                let mut values: Vec<_> = values.iter().map(plain).collect();
                if values.iter().all(|value| value["name"].is_string()) {
                    values.sort_by_key(|value| value["name"].to_string());
                }
                Value::Array(values)
            }
            other => other.clone(),
        }
    }
    (format!("{} {}", object["kind"], object["metadata"]["name"]), plain(object))
}

#[test]
fn the_migration_runs_before_a_release_is_installed_or_upgraded() {
    let all = helm(&[]);
    let hooks =
        all.iter().filter(|object| object["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade");
    let kinds: BTreeSet<_> = hooks.map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["Job", "ServiceAccount"]));
}

#[test]
fn exactly_three_settings_of_prod_have_to_be_filled_in() {
    let open: BTreeSet<_> = pods(&PROD)
        .values()
        .flat_map(|pod| variables(pod))
        .filter(|(_, value)| *value == "fill-in")
        .map(|(name, _)| name)
        .collect();
    let three = ["LANESYNC_CONSOLE_OIDC_ISSUER", "LANESYNC_PUBLIC_URL", "LANESYNC_SALESFORCE_CLIENT_ID"];
    assert_eq!(open, BTreeSet::from(three));
    assert!(!pods(&DEV).values().any(|pod| variables(pod).values().any(|value| *value == "fill-in")));
}

#[test]
fn every_server_is_there_with_its_service_account_budget_and_address() {
    for objects in [&*DEV, &*PROD] {
        for kind in ["Deployment", "Service", "PodDisruptionBudget"] {
            assert_eq!(of_kind(objects, kind).into_keys().collect::<Vec<_>>(), SERVERS, "{kind}");
        }
        assert_eq!(of_kind(objects, "ServiceAccount").len(), SERVERS.len() + 1);
        for (name, budget) in of_kind(objects, "PodDisruptionBudget") {
            assert_eq!(budget["spec"]["maxUnavailable"], 1, "{name}");
        }
        for (name, deployment) in of_kind(objects, "Deployment") {
            assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0, "{name}");
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            for kind in ["Service", "PodDisruptionBudget"] {
                let selector = &of_kind(objects, kind)[name]["spec"]["selector"];
                let wanted = selector.get("matchLabels").unwrap_or(selector).as_object().unwrap();
                assert!(wanted.iter().all(|(key, value)| labels[key] == *value), "{kind} of {name}");
            }
        }
        let namespace = objects.iter().find(|object| object["kind"] == "Namespace").unwrap();
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    }
}

#[test]
fn no_pod_may_more_than_it_must() {
    for objects in [&*DEV, &*PROD, &*PROD_MTLS] {
        assert_eq!(pods(objects).len(), SERVERS.len() + 1);
        for (name, pod) in pods(objects) {
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            // Links would be settings that no service knows, and stop it.
            assert_eq!(pod["enableServiceLinks"], false, "{name}");
            assert_eq!(pod["serviceAccountName"], format!("lanesync-{name}"));
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert_eq!(context["runAsUser"], 65532, "{name}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            for host in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[host].is_null(), "{name}: {host}");
            }
            for volume in items(&pod["volumes"]) {
                assert!(volume["hostPath"].is_null(), "{name} mounts a folder of the node");
            }
            let [container] = pod["containers"].as_array().unwrap().as_slice() else { panic!("{name}") };
            let confined = json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(container["securityContext"], confined, "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            // A limit on time would throttle a load that has the node for itself.
            assert!(container["resources"]["limits"]["cpu"].is_null(), "{name}");
            for request in ["cpu", "memory"] {
                assert!(container["resources"]["requests"][request].is_string(), "{name}: {request}");
            }
            let image = container["image"].as_str().unwrap();
            assert!(image.ends_with(&format!("/lanesync-{name}:{}", env!("CARGO_PKG_VERSION"))), "{image}");
            for variable in items(&container["env"]) {
                assert!(variable["valueFrom"].is_null(), "{name}: a secret is a file, never a variable");
            }
        }
    }
}

#[test]
fn servers_are_probed_spread_and_stopped_with_time_enough() {
    for objects in [&*DEV, &*PROD] {
        for (name, pod) in pods(objects).into_iter().filter(|(name, _)| *name != "migrate") {
            let container = &pod["containers"][0];
            for (probe, asks) in
                [("startupProbe", "startup"), ("readinessProbe", "readiness"), ("livenessProbe", "liveness")]
            {
                assert_eq!(container[probe]["grpc"], json!({ "port": 50052, "service": asks }), "{name}");
            }
            let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            // Work in hand, connections, NATS, telemetry.
            assert!(pause + 25 + 5 + 5 + 3 < grace, "{name}");
            let spread: Vec<_> = items(&pod["topologySpreadConstraints"]).map(|rule| &rule["topologyKey"]).collect();
            assert_eq!(spread, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], "{name}");
            for rule in items(&pod["topologySpreadConstraints"]) {
                assert!(texts(&rule["matchLabelKeys"]).contains(&"app.kubernetes.io/component"), "{name}");
            }
        }
    }
}

/// The settings that a program reads, from the definition of its arguments.
fn known(component: &str) -> BTreeSet<String> {
    let sources = match component {
        "migrate" => vec![read("crates/migrate/src/main.rs")],
        other => vec![read(&format!("crates/{other}/src/config.rs")), read("crates/service/src/config.rs")],
    };
    let names = sources.iter().flat_map(|text| text.split("env = \"").skip(1));
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn no_program_is_given_a_setting_that_it_does_not_read() {
    for objects in [&*DEV, &*PROD, &*PROD_MTLS] {
        for (name, pod) in pods(objects) {
            let known = known(name);
            let foreign: Vec<_> = variables(pod).into_keys().filter(|variable| !known.contains(*variable)).collect();
            assert!(foreign.is_empty(), "{name} would refuse to start: {foreign:?}");
        }
    }
}

#[test]
fn every_secret_that_a_program_reads_is_one_that_is_made() {
    let made = tempfile::tempdir().unwrap();
    for folder in ["postgres", "nats", "migrate", "auth", "extractor", "mapper", "customer-writer", "console"] {
        fs::create_dir(made.path().join(folder)).unwrap();
    }
    migrate::secrets::make(made.path(), "postgres:5432/lanesync").unwrap();
    for objects in [&*DEV, &*PROD] {
        for (name, pod) in pods(objects) {
            for file in variables(pod).into_values().filter_map(|value| value.strip_prefix("/run/secrets/")) {
                assert!(made.path().join(name).join(file).is_file(), "{name} reads {file}");
            }
            let mounted: Vec<_> =
                items(&pod["volumes"]).filter_map(|volume| volume["secret"]["secretName"].as_str()).collect();
            assert_eq!(mounted, [format!("lanesync-{name}")], "a program sees its own secrets only");
        }
    }
}

#[test]
fn mapper_and_writer_are_scaled_by_the_consumers_that_the_product_makes() {
    let scaled = of_kind(&PROD, "ScaledObject");
    for (name, consumer) in [("mapper", streams::MAPPER), ("customer-writer", streams::WRITER)] {
        let spec = &scaled[name]["spec"];
        assert_eq!(spec["scaleTargetRef"]["name"], format!("lanesync-{name}"));
        let trigger = &spec["triggers"][0]["metadata"];
        assert_eq!(
            (trigger["stream"].as_str(), trigger["consumer"].as_str()),
            (Some(consumer.stream), Some(consumer.durable))
        );
        // What one of all replicas has in hand at most is delivered but not yet acknowledged, which counts as lag.
        let replicas = spec["maxReplicaCount"].as_i64().unwrap();
        let threshold: i64 = trigger["lagThreshold"].as_str().unwrap().parse().unwrap();
        assert!(threshold >= 2 * streams::MAX_ACK_PENDING / replicas, "{name}");
        assert!(
            of_kind(&PROD, "Deployment")[name]["spec"]["replicas"].is_null(),
            "two would set the replicas of {name}"
        );
    }
    assert_eq!(scaled.len(), 2);
}

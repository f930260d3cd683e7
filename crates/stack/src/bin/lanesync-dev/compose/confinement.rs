//! Whether every container may do no more than it needs, by what the engine itself says of it.

use serde_json::Value;

use super::engine::Compose;

/// Returns every fault in words; empty when there is none.
pub(super) async fn faults(compose: &Compose<'_>) -> anyhow::Result<Vec<String>> {
    let config = compose.config().await?;
    let mut faults = Vec::new();
    for service in config["services"].as_object().into_iter().flat_map(|services| services.keys()) {
        let container = compose.container(service).await?;
        let known = compose.inspect(&container).await?;
        faults.extend(faults_of(&known).into_iter().map(|fault| format!("{service} {fault}")));
    }
    Ok(faults)
}

fn faults_of(container: &Value) -> Vec<&'static str> {
    let host = &container["HostConfig"];
    let user = container["Config"]["User"].as_str().unwrap_or_default();
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let environment = strings(&container["Config"]["Env"]);
    let published = host["PortBindings"].as_object().into_iter().flatten().flat_map(|(_, bindings)| {
        bindings.as_array().into_iter().flatten().map(|binding| binding["HostIp"].as_str().unwrap_or_default())
    });
    let holds = [
        (user.is_empty() || user.starts_with('0') || user.starts_with("root"), "runs as root"),
        (host["ReadonlyRootfs"] != true, "may write to its root"),
        (strings(&host["CapDrop"]) != ["ALL"] || !strings(&host["CapAdd"]).is_empty(), "has capabilities"),
        (!strings(&host["SecurityOpt"]).iter().any(|option| option == "no-new-privileges:true"), "may gain privileges"),
        (host["Privileged"] == true, "is privileged"),
        (host["Memory"].as_i64().unwrap_or_default() <= 0, "has no limit of memory"),
        (host["PidsLimit"].as_i64().unwrap_or_default() <= 0, "has no limit of processes"),
        (published.into_iter().any(|address| address != "127.0.0.1"), "is reachable from other machines"),
        (environment.iter().any(|line| holds_a_secret(line)), "has a secret in its environment"),
    ];
    holds.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault)).collect()
}

/// Secrets come as files: a variable named after one may only name a file.
fn holds_a_secret(line: &str) -> bool {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    let about = ["PASSWORD", "SECRET", "KEY", "TOKEN"].iter().any(|word| name.contains(word));
    let named = name.ends_with("_FILE") || name.ends_with("_DIR");
    about && !named && !value.is_empty() || value.contains("postgres://")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn confined() -> Value {
        json!({
            "Config": { "User": "65532:65532", "Env": ["LANESYNC_TOKEN_KEYS_FILE=/run/secrets/token-keys.json"] },
            "HostConfig": {
                "ReadonlyRootfs": true, "CapDrop": ["ALL"], "CapAdd": null, "Privileged": false,
                "SecurityOpt": ["no-new-privileges:true"], "Memory": 1, "PidsLimit": 1,
                "PortBindings": { "50051/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "1" }] },
            },
        })
    }

    #[test]
    fn a_container_that_may_do_no_more_than_it_needs_has_no_fault() {
        assert_eq!(faults_of(&confined()), Vec::<&str>::new());
    }

    #[test]
    fn every_right_too_many_is_told() {
        let too_much = [
            ("/Config/User", json!("0:0"), "runs as root"),
            ("/Config/Env", json!(["POSTGRES_PASSWORD=x"]), "has a secret in its environment"),
            ("/HostConfig/ReadonlyRootfs", json!(false), "may write to its root"),
            ("/HostConfig/CapAdd", json!(["NET_ADMIN"]), "has capabilities"),
            ("/HostConfig/CapDrop", json!([]), "has capabilities"),
            ("/HostConfig/SecurityOpt", json!([]), "may gain privileges"),
            ("/HostConfig/Privileged", json!(true), "is privileged"),
            ("/HostConfig/Memory", json!(0), "has no limit of memory"),
            ("/HostConfig/PidsLimit", json!(null), "has no limit of processes"),
            ("/HostConfig/PortBindings/50051~1tcp/0/HostIp", json!(""), "is reachable from other machines"),
        ];
        for (place, value, fault) in too_much {
            let mut container = confined();
            *container.pointer_mut(place).unwrap() = value;
            assert_eq!(faults_of(&container), [fault], "{place}");
        }
    }
}

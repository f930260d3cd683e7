//! Errors: the code, the document, the sentence.

use contract::auth::v1::{Connection, GetConnectionRequest};
use contract::error::{Failure, Reason, Violation};
use serde_json::json;

use crate::program::{command, ended, lanesync};
use crate::scripted::Scripted;

#[tokio::test]
async fn each_class_of_reasons_ends_with_its_code() {
    let services = Scripted::start().await;
    let classes = [
        (Reason::Internal, 1),
        (Reason::ArgumentInvalid, 2),
        (Reason::ResourceNotFound, 3),
        (Reason::PlanRequired, 4),
        (Reason::NotConnected, 4),
        (Reason::SalesforceAuthRevoked, 4),
        (Reason::EtagMismatch, 5),
        (Reason::SyncAlreadyRunning, 5),
        (Reason::SalesforceUnavailable, 6),
        (Reason::SalesforceQuotaExhausted, 7),
    ];
    for (reason, code) in classes {
        services.refuse("get_connection", Failure::new(reason, "It did not work."));
        let ended = lanesync(&services, &["connection", "show", "--json"]).await;
        assert_eq!(ended.code, code, "{reason:?}");
        assert_eq!(ended.json()["error"]["reason"], reason.as_str());
        assert_eq!(ended.json()["error"]["remedy"], reason.remedy());
        assert_eq!(ended.err, "", "with --json everything is in the document");
    }
}

#[tokio::test]
async fn an_error_for_people_goes_to_standard_error_and_ends_with_the_remedy() {
    let services = Scripted::start().await;
    services.refuse(
        "get_connection",
        Failure::new(Reason::PlanRequired, "Salesforce is part of Business.")
            .with_violations([Violation { field: "plan".into(), description: "is Starter".into() }]),
    );
    let ended = lanesync(&services, &["connection", "show"]).await;
    assert_eq!(ended.out, "");
    assert_eq!(
        ended.err,
        "error: PLAN_REQUIRED: Salesforce is part of Business.\n  plan: is Starter\nUpgrade the workspace to Business.\n"
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_worth_a_retry_and_named() {
    let url = format!("http://127.0.0.1:{}", stack::free_port().unwrap());
    let ended = ended(&mut command(&url, &["connection", "show", "--json"])).await;
    assert_eq!(ended.code, 6);
    assert_eq!(ended.json()["error"]["reason"], "DEPENDENCY_UNAVAILABLE");
    let message = ended.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("auth at {url} does not answer")), "{message}");
}

#[tokio::test]
async fn a_command_line_that_can_not_be_read_is_usage_in_either_form() {
    let services = Scripted::start().await;
    let people = lanesync(&services, &["workspace", "plan", "gold"]).await;
    assert_eq!((people.code, people.out.as_str()), (2, ""));
    assert!(people.err.contains("a plan is starter, pro or business"), "{}", people.err);

    let program = lanesync(&services, &["workspace", "plan", "gold", "--json"]).await;
    assert_eq!(program.code, 2);
    assert_eq!(program.json()["error"]["reason"], "ARGUMENT_INVALID");
}

#[tokio::test]
async fn a_workspace_must_be_named() {
    let services = Scripted::start().await;
    let mut command = command(services.url(), &["connection", "show", "--json"]);
    let ended = ended(command.env_remove("LANESYNC_WORKSPACE")).await;
    assert_eq!(ended.code, 2);
    assert!(ended.json()["error"]["message"].as_str().unwrap().contains("--workspace"));
    assert_eq!(services.asked::<GetConnectionRequest>("get_connection"), []);
}

#[tokio::test]
async fn help_is_no_error() {
    let services = Scripted::start().await;
    let ended = lanesync(&services, &["--help"]).await;
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("Exit codes:"), "{}", ended.out);
}

#[tokio::test]
async fn a_disconnect_wants_a_yes() {
    let services = Scripted::start().await;
    services.always("disconnect_connection", Connection { state: 4, ..Connection::default() });
    let refused = lanesync(&services, &["disconnect", "--purge"]).await;
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);

    let done = lanesync(&services, &["disconnect", "--purge", "--yes", "--json"]).await;
    assert_eq!((done.code, &done.json()["state"]), (0, &json!("disconnected")));
    let asked = services.asked::<contract::auth::v1::DisconnectConnectionRequest>("disconnect_connection");
    assert_eq!(
        asked.iter().map(|request| (request.purge, request.actor.as_str())).collect::<Vec<_>>(),
        [(true, "ada")]
    );
}

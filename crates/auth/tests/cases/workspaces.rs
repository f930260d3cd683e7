//! Workspaces, plans, lists.

use contract::auth::v1 as wire;
use contract::common::v1::Plan;
use contract::error::Reason;
use domain::WorkspaceId;
use tonic::Response;

use crate::harness::{World, reason};

#[tokio::test]
async fn a_workspace_is_created_once_and_stays_as_it_is() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let id = WorkspaceId::generate().to_string();
    let create = |name: &str, plan: Plan| wire::CreateWorkspaceRequest {
        workspace_id: id.clone(),
        display_name: name.to_owned(),
        plan: plan.into(),
    };
    let first = replica.workspaces.create_workspace(create("Acme", Plan::Unspecified)).await.unwrap().into_inner();
    let again = replica.workspaces.create_workspace(create("Other", Plan::Business)).await.unwrap().into_inner();
    assert_eq!((first.display_name.as_str(), first.plan()), ("Acme", Plan::Starter));
    assert_eq!(first, again);

    for name in ["", "   ", &"x".repeat(201), "a\u{7}b"] {
        let refused = replica.workspaces.create_workspace(create(name, Plan::Starter)).await.map(Response::into_inner);
        assert_eq!(reason(refused), Reason::ArgumentInvalid);
    }
    let unknown = wire::GetWorkspaceRequest { workspace_id: WorkspaceId::generate().to_string() };
    let refused = replica.workspaces.get_workspace(unknown).await.map(Response::into_inner);
    assert_eq!(reason(refused), Reason::ResourceNotFound);
    let nil = wire::CreateWorkspaceRequest {
        workspace_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        display_name: "x".to_owned(),
        plan: 0,
    };
    let refused = replica.workspaces.create_workspace(nil).await.map(Response::into_inner);
    assert_eq!(reason(refused), Reason::ArgumentInvalid);
}

#[tokio::test]
async fn workspaces_are_listed_in_order_of_creation_page_by_page() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(replica.workspace(Plan::Starter).await.to_string());
    }
    let (mut listed, mut pages, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = wire::ListWorkspacesRequest { page_size: 2, page_token };
        let page = replica.workspaces.list_workspaces(request).await.unwrap().into_inner();
        listed.extend(page.workspaces.into_iter().map(|workspace| workspace.id));
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!((listed, pages), (created, 3));

    for (page_size, page_token) in [(-1, ""), (2, "forged"), (2, "AAAA")] {
        let request = wire::ListWorkspacesRequest { page_size, page_token: page_token.to_owned() };
        let refused = replica.workspaces.list_workspaces(request).await.map(Response::into_inner);
        assert_eq!(reason(refused), Reason::ArgumentInvalid, "{page_size} {page_token}");
    }
}

#[tokio::test]
async fn connections_of_all_workspaces_are_listed_in_order_of_id() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let mut connected = Vec::new();
    for _ in 0..3 {
        connected.push(replica.connected(&world).await.to_string());
    }
    replica.workspace(Plan::Business).await;
    connected.sort();

    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListConnectionsRequest { page_size: 2, page_token };
        let page = replica.connections.list_connections(request).await.unwrap().into_inner();
        assert!(page.connections.iter().all(|connection| connection.org_name == "Oma Robotics"));
        listed.extend(page.connections.into_iter().map(|connection| connection.workspace_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, connected);
}

#[tokio::test]
async fn every_plan_but_business_is_refused_to_connect_and_free_to_disconnect() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    for plan in [Plan::Starter, Plan::Pro] {
        let workspace = replica.workspace(plan).await;
        assert_eq!(reason(replica.begin(workspace).await), Reason::PlanRequired);
        let request = wire::ConnectClientCredentialsRequest {
            workspace_id: workspace.to_string(),
            environment: "production".to_owned(),
            ..Default::default()
        };
        let refused = replica.connections.connect_client_credentials(request).await.map(Response::into_inner);
        assert_eq!(reason(refused), Reason::PlanRequired);
    }

    let workspace = replica.connected(&world).await;
    let epoch = replica.connection(workspace).await.epoch;
    let request = wire::SetWorkspacePlanRequest { workspace_id: workspace.to_string(), plan: Plan::Starter.into() };
    replica.workspaces.set_workspace_plan(request).await.unwrap();
    // A downgrade ends nothing: the epoch stays, tokens are still refreshed.
    assert_eq!(replica.connection(workspace).await.epoch, epoch);
    let token = replica.token(workspace, 0).await.unwrap();
    assert!(replica.token(workspace, token.generation).await.is_ok());
    assert!(replica.disconnect(workspace, false).await.is_ok());
}

//! Mutual TLS on every link of the whole product: it syncs as ever, and nobody may more than the table says.

use std::time::Duration;

use contract::access::{self, Identity};
use contract::common::v1::Plan;
use contract::error::Reason;
use contract::extractor::v1::SyncScope;
use futures::future::join_all;
use service::grpc::{Peer, peer};
use stack::ServiceName;
use stack::books::balance;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::terminal::Terminal;
use crate::world::{SMALL, World};

/// The services that are called.
const CALLED: [ServiceName; 4] = [ServiceName::Auth, ServiceName::Extractor, ServiceName::Mapper, ServiceName::Writer];
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(60);

async fn sealed() -> World {
    World::made(SMALL, Plan::Business, |options| options.is_mutual = true).await
}

async fn assert_balance(world: &World) {
    let balance = balance(&world.lane, &world.workspace, &world.simulator, "").await.unwrap();
    assert_eq!(balance.differences, Vec::<String>::new(), "{}", world.complaints());
}

#[tokio::test]
async fn s22_with_every_link_sealed_an_org_is_synced_as_ever_over_a_change_of_certificates() {
    let mut world = sealed().await;
    world.connect_and_map().await;
    world.sync(SyncScope::Changes).await;
    assert_balance(&world).await;

    // Connections are made anew with the new certificates; no process is told.
    world.stack.mutual().unwrap().renew().unwrap();
    world.order("mass_update", serde_json::json!({ "object": "Account", "fields": { "Name": "Renewed" } })).await;
    world.stack.service_mut(ServiceName::Mapper).restart().await.unwrap();
    world.sync(SyncScope::Everything).await;
    assert_balance(&world).await;

    let said = Terminal::of(&world).run(&["workspace", "list", "--json"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let page = reqwest::Client::builder().no_proxy().build().unwrap().get(world.stack.console_url()).send().await;
    assert!(page.unwrap().status().is_success(), "the console finds its peers");
}

/// Calls a method with an empty message and returns why there was no answer.
async fn call(grpc: &mut Grpc<Peer>, path: String) -> Option<Status> {
    if let Err(error) = grpc.ready().await {
        return Some(Status::unavailable(error.to_string()));
    }
    let path = PathAndQuery::try_from(path).unwrap();
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let answered = grpc.streaming(Request::new(futures::stream::iter([()])), path, codec);
    tokio::time::timeout(LIMIT, answered).await.expect("an answer of any kind").err()
}

/// What `service` answered `identity`, method by method, where that is not what the table says.
async fn faults(world: &World, service: ServiceName, identity: Identity) -> Vec<String> {
    let credentials = world.stack.mutual().unwrap().credentials(identity).unwrap();
    let mut grpc = Grpc::new(peer(&world.stack.grpc_url(service), Some(&credentials)).unwrap());
    let mut faults = Vec::new();
    for row in access::TABLE {
        let status = call(&mut grpc, row.path()).await;
        let is_refused = status.as_ref().and_then(Reason::of) == Some(Reason::CallerNotAllowed);
        let is_connected = status.as_ref().is_none_or(|status| status.code() != Code::Unavailable);
        if is_refused == row.lets_in(identity) || !is_connected {
            faults.push(format!("{identity:?} at {service:?}, {}: {status:?}", row.path()));
        }
    }
    faults
}

#[tokio::test]
async fn s22_every_service_answers_every_identity_exactly_the_methods_of_its_rows() {
    let world = sealed().await;
    let everybody = CALLED.into_iter().flat_map(|service| Identity::ALL.map(|identity| (service, identity)));
    let found = join_all(everybody.map(|(service, identity)| faults(&world, service, identity))).await;
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{found:#?}");

    // Nobody gets in by leaving the certificate at home.
    for service in CALLED {
        let url = world.stack.grpc_url(service).replace("https", "http");
        let mut grpc = Grpc::new(peer(&url, None).unwrap());
        let status = call(&mut grpc, access::TABLE[0].path()).await.unwrap();
        // What comes back is no gRPC at all: an alert of TLS.
        let is_silent = matches!(status.code(), Code::Unavailable | Code::Internal) && Reason::of(&status).is_none();
        assert!(is_silent, "{service:?}: {status:?}");
    }
}

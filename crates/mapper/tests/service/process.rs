use std::net::SocketAddr;

use contract::common::v1 as common;
use contract::mapper::v1 as wire;
use contract::mapper::v1::mapping_service_client::MappingServiceClient;
use contract::status::v1::GetServiceStatusRequest;
use contract::status::v1::status_service_client::StatusServiceClient;
use mapper::Config;
use testkit::{NatsUser, Role, eventually};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::world::{LIMIT, World};

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], testkit::free_port().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_serves_its_api_health_and_status() {
    let world = World::quiet().await;
    let folder = tempfile::tempdir().unwrap();
    let (url_file, password_file) = (folder.path().join("url"), folder.path().join("password"));
    std::fs::write(&url_file, world.database.url(Role::Mapper)).unwrap();
    std::fs::write(&password_file, world.nats.password(NatsUser::Mapper)).unwrap();
    let (grpc, health, metrics) = (free_address(), free_address(), free_address());
    let arguments = [
        "lanesync-mapper".to_owned(),
        format!("--database-url-file={}", url_file.display()),
        format!("--nats-url={}", world.nats.url()),
        "--nats-user=mapper".to_owned(),
        format!("--nats-password-file={}", password_file.display()),
        format!("--grpc-addr={grpc}"),
        format!("--health-addr={health}"),
        "--metrics-host=127.0.0.1".to_owned(),
        format!("--metrics-port={}", metrics.port()),
        format!("--extractor-url={}", world.urls.0),
        format!("--writer-url={}", world.urls.1),
    ];
    let config = <Config as clap::Parser>::parse_from(arguments);
    let mut process = JoinSet::new();
    process.spawn(async move { mapper::run(config).await.unwrap() });

    let channel = Channel::from_shared(format!("http://{grpc}")).unwrap().connect_lazy();
    eventually(LIMIT, "the mapper is ready", async || {
        let request = HealthCheckRequest { service: "readiness".to_owned() };
        let answer = HealthClient::new(channel.clone()).check(request).await.ok()?.into_inner();
        (answer.status() == ServingStatus::Serving).then_some(())
    })
    .await;
    let status = StatusServiceClient::new(channel.clone()).get_service_status(GetServiceStatusRequest {}).await;
    let status = status.unwrap().into_inner();
    assert_eq!((status.service.as_str(), status.ready), ("lanesync-mapper", true));

    let request = wire::ListLaneFieldsRequest {
        workspace_id: world.workspace.to_string(),
        kind: common::RecordKind::Account.into(),
    };
    let fields = MappingServiceClient::new(channel).list_lane_fields(request).await.unwrap().into_inner().fields;
    assert_eq!(fields[0].id, "name");
    assert_eq!(fields.len(), 13);
}

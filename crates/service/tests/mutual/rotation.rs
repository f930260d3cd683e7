//! Certificates are replaced by replacing files: new connections show the new ones, open streams live on.

use certificates::{Authority, CERTIFICATE, Subject};
use contract::access::Identity;
use contract::status::v1::WatchServiceStatusRequest;
use contract::status::v1::status_service_client::StatusServiceClient;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::server::{Files, LIMIT, Served, ask, code, local};

/// The first certificate that the server shows to a caller.
async fn shown(served: &Served, files: &Files) -> Vec<u8> {
    let stream = tokio::net::TcpStream::connect(served.api).await.unwrap();
    let config = crate::handshake::config(files, &rustls::version::TLS13, true);
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn held(files: &Files) -> Vec<u8> {
    CertificateDer::from_pem_file(files.path().join(CERTIFICATE)).unwrap().to_vec()
}

#[tokio::test]
async fn s22_a_renewed_certificate_is_shown_at_once_and_an_open_stream_lives_on() {
    let served = Served::new().await;
    let caller = Files::caller(&served.authority, Identity::Operator);
    let peer = served.peer(&caller);
    let mut watch = StatusServiceClient::new(peer.clone());
    let mut stream = watch.watch_service_status(WatchServiceStatusRequest {}).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    let before = held(&served.files);
    assert_eq!(shown(&served, &caller).await, before);

    served.files.renew(&served.authority, &local(Identity::Auth));

    let after = shown(&served, &caller).await;
    assert_ne!(after, before);
    assert_eq!(after, held(&served.files));
    // The connection of before still answers, and its stream has not ended.
    ask(peer).await.unwrap();
    let next = tokio::time::timeout(std::time::Duration::from_millis(300), stream.message()).await;
    assert!(!matches!(next, Ok(Ok(None) | Err(_))), "the stream was cut: {next:?}");
}

#[tokio::test]
async fn s22_callers_follow_a_change_of_authority_without_being_started_again() {
    let served = Served::new().await;
    let caller = Files::caller(&served.authority, Identity::Operator);
    // As a process holds them that runs for months.
    let credentials = caller.credentials();
    let connect = || service::grpc::peer(&served.url(), Some(&credentials)).unwrap();
    ask(connect()).await.unwrap();

    let next = Authority::new().unwrap();
    served.files.renew(&next, &local(Identity::Auth));
    assert_eq!(code(&ask(connect()).await), Code::Unavailable, "the caller trusts the old authority");
    caller.renew(&next, &Subject::new(Identity::Operator, &[], crate::server::DAY));
    ask(connect()).await.unwrap();
}

#[tokio::test]
async fn files_in_the_middle_of_being_replaced_leave_the_last_ones_in_force() {
    let served = Served::new().await;
    let caller = Files::caller(&served.authority, Identity::Operator);
    let before = held(&served.files);
    let key = served.files.path().join("tls.key");
    std::fs::remove_file(&key).unwrap();
    assert_eq!(shown(&served, &caller).await, before);
    std::fs::write(&key, "half a k").unwrap();
    assert_eq!(shown(&served, &caller).await, before);
    let mut client = HealthClient::new(served.peer(&caller));
    let health = client.check(HealthCheckRequest::default());
    assert!(tokio::time::timeout(LIMIT, health).await.unwrap().is_ok());

    std::fs::remove_file(&key).unwrap();
    served.files.renew(&served.authority, &local(Identity::Auth));
    assert_eq!(shown(&served, &caller).await, held(&served.files));
}

//! Who gets a connection at all.
//!
//! In TLS 1.3 a caller believes to be connected before the server has looked at its certificate. It hears of a refusal
//! when it uses the connection, and gRPC's word for that is UNAVAILABLE.

use std::sync::Arc;
use std::time::Duration;

use certificates::{Authority, Subject};
use contract::access::Identity;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{RootCertStore, SupportedProtocolVersion};
use service::credentials::{Credentials, CredentialsError};
use service::grpc::peer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::server::{DAY, Files, LIMIT, Served, code, local};

#[tokio::test]
async fn s22_an_identity_of_this_authority_is_answered() {
    let served = Served::new().await;
    served.ask(&Files::caller(&served.authority, Identity::Operator)).await.unwrap();
}

#[tokio::test]
async fn s22_a_certificate_of_another_authority_gets_no_connection() {
    let served = Served::new().await;
    // It trusts our server, and calls itself what it is not.
    let forged = Files::caller(&Authority::new().unwrap(), Identity::Operator);
    std::fs::copy(served.files.path().join("ca.crt"), forged.path().join("ca.new")).unwrap();
    std::fs::rename(forged.path().join("ca.new"), forged.path().join("ca.crt")).unwrap();
    assert_eq!(code(&served.ask(&forged).await), Code::Unavailable);
}

#[tokio::test]
async fn s22_a_certificate_that_has_ended_gets_no_connection() {
    let served = Served::new().await;
    let ended = Subject::new(Identity::Operator, &[], Duration::ZERO);
    let files = Files::of(&served.authority, &ended);
    // Certificates count whole seconds.
    clock_passes(Duration::from_secs(1)).await;
    assert_eq!(code(&served.ask(&files).await), Code::Unavailable);
}

/// Waits until the clock has moved on by `span`.
async fn clock_passes(span: Duration) {
    let begun = std::time::SystemTime::now();
    while begun.elapsed().unwrap_or_default() <= span {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn s22_a_caller_refuses_a_server_of_another_name_or_authority() {
    let served = Served::new().await;
    let caller = Files::caller(&served.authority, Identity::Operator);
    served.files.renew(&served.authority, &Subject::new(Identity::Auth, &["mapper"], DAY));
    assert_eq!(code(&served.ask(&caller).await), Code::Unavailable, "another name");

    served.files.renew(&Authority::new().unwrap(), &local(Identity::Auth));
    assert_eq!(code(&served.ask(&caller).await), Code::Unavailable, "another authority");
}

#[tokio::test]
async fn s22_without_a_certificate_or_with_tls_1_2_no_byte_is_answered() {
    let served = Served::new().await;
    let files = Files::caller(&served.authority, Identity::Operator);
    let tls13 = &rustls::version::TLS13;
    let config = |version, with_certificate| config(&files, version, with_certificate);
    assert!(is_greeted(&served, config(tls13, true)).await, "the control: with all of it the server speaks");
    assert!(!is_greeted(&served, config(tls13, false)).await, "no certificate");
    assert!(!is_greeted(&served, config(&rustls::version::TLS12, true)).await, "TLS 1.2");

    let plain = Endpoint::from_shared(format!("http://{}", served.api)).unwrap();
    let channel = service::grpc::channel(plain, None).unwrap();
    let asked = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    assert!(asked.is_err(), "in the clear");
}

pub(crate) fn config(
    files: &Files,
    version: &'static SupportedProtocolVersion,
    with_certificate: bool,
) -> ClientConfig {
    let read = |name: &str| std::fs::read(files.path().join(name)).unwrap();
    let certificates = |name: &str| CertificateDer::pem_slice_iter(&read(name)).collect::<Result<Vec<_>, _>>().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificates("ca.crt").remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = if with_certificate {
        let key = PrivateKeyDer::from_pem_slice(&read("tls.key")).unwrap();
        builder.with_client_auth_cert(certificates("tls.crt"), key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Whether the server sends its part of HTTP/2's preface, which it does as soon as it has accepted a caller.
async fn is_greeted(served: &Served, config: ClientConfig) -> bool {
    let greeted = async {
        let stream = TcpStream::connect(served.api).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        // The caller's part: the magic words and no settings.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        stream.read_u8().await
    };
    tokio::time::timeout(LIMIT, greeted).await.expect("a greeting or a refusal").is_ok()
}

#[tokio::test]
async fn probes_need_no_certificate_and_reach_health_only() {
    let served = Served::new().await;
    let probe = Endpoint::from_shared(format!("http://{}", served.probes)).unwrap();
    let channel = service::grpc::channel(probe, None).unwrap();
    let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest { service: "startup".into() }).await;
    assert!(answer.is_ok(), "{answer:?}");
    let mut status = contract::status::v1::status_service_client::StatusServiceClient::new(channel);
    let refused = status.get_service_status(contract::status::v1::GetServiceStatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn what_is_meant_to_be_sealed_is_never_sent_in_the_clear() {
    let authority = Authority::new().unwrap();
    let files = Files::caller(&authority, Identity::Mapper);
    let credentials = files.credentials();
    let error = peer("http://writer:50051", Some(&credentials)).unwrap_err();
    assert!(error.to_string().contains("must begin with https"), "{error}");
    let error = peer("https://writer:50051", None).unwrap_err();
    assert!(error.to_string().contains("LANESYNC_TLS_CERT_FILE"), "{error}");
}

#[tokio::test]
async fn files_that_do_not_go_together_stop_the_start_and_say_which() {
    let authority = Authority::new().unwrap();
    let (one, other) = (Files::caller(&authority, Identity::Auth), Files::caller(&authority, Identity::Auth));
    let mut tls = one.tls();
    tls.tls_key_file = other.tls().tls_key_file;
    assert!(matches!(Credentials::load(&tls), Err(CredentialsError::Unfit(_))));
    tls.tls_key_file = one.tls().tls_cert_file;
    assert!(matches!(Credentials::load(&tls), Err(CredentialsError::Empty { what: "private key", .. })));
    tls.tls_key_file = Some(one.path().join("none"));
    assert!(matches!(Credentials::load(&tls), Err(CredentialsError::File { .. })));
    tls.tls_key_file = None;
    assert!(matches!(Credentials::load(&tls), Err(CredentialsError::Half(_))));
}

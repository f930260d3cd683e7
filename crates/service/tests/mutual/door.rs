//! What a connection is good for: its identity decides, method by method.

use certificates::Subject;
use contract::access::{self, Identity};
use contract::error::Reason;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::server::{DAY, Files, LIMIT, Served, code};

/// Calls a method with an empty message and returns what came first: a message, or why there is none.
async fn call(grpc: &mut Grpc<service::grpc::Peer>, path: &str) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::try_from(path.to_owned()).unwrap();
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    // Nothing to send, and whatever comes back is not looked at: an empty stream of either kind of method does.
    let answered = grpc.streaming(Request::new(futures::stream::iter([()])), path, codec);
    tokio::time::timeout(LIMIT, answered).await.expect("an answer of any kind").map(|_| ())
}

fn is_refused(outcome: &Result<(), Status>) -> bool {
    outcome.as_ref().err().and_then(Reason::of) == Some(Reason::CallerNotAllowed)
}

#[tokio::test]
async fn s22_every_identity_passes_exactly_where_the_table_says() {
    let served = Served::new().await;
    for identity in Identity::ALL {
        let files = Files::caller(&served.authority, identity);
        let mut grpc = Grpc::new(served.peer(&files));
        for row in access::TABLE {
            let outcome = call(&mut grpc, &row.path()).await;
            assert_eq!(!is_refused(&outcome), row.lets_in(identity), "{} by {identity:?}: {outcome:?}", row.path());
        }
    }
}

#[tokio::test]
async fn s22_what_is_no_method_is_denied() {
    let served = Served::new().await;
    let files = Files::caller(&served.authority, Identity::Operator);
    let mut grpc = Grpc::new(served.peer(&files));
    for path in ["/lanesync.auth.v1.TokenService/GetEverything", "/x/y", "/lanesync.status.v1.StatusService/"] {
        let outcome = call(&mut grpc, path).await;
        assert!(is_refused(&outcome), "{path}: {outcome:?}");
    }
}

#[tokio::test]
async fn s22_a_certificate_that_names_nobody_or_two_is_connected_and_refused() {
    let served = Served::new().await;
    let two = [Identity::Extractor, Identity::Operator].map(|identity| identity.uri().to_owned()).to_vec();
    for uris in [vec![], vec!["spiffe://lanesync/anybody".to_owned()], vec!["spiffe://other/operator".to_owned()], two]
    {
        let files = Files::of(&served.authority, &Subject { uris: uris.clone(), names: Vec::new(), life: DAY });
        let outcome = served.ask(&files).await;
        assert_eq!(code(&outcome), Code::Unauthenticated, "{uris:?}");
        assert_eq!(Reason::of(&outcome.unwrap_err()), Some(Reason::CallerUnknown), "{uris:?}");
    }
}

#[tokio::test]
async fn s22_a_name_of_a_host_is_no_identity() {
    let served = Served::new().await;
    let subject = Subject { uris: Vec::new(), names: vec!["operator".to_owned()], life: DAY };
    let files = Files::of(&served.authority, &subject);
    assert_eq!(code(&served.ask(&files).await), Code::Unauthenticated);
}

//! A collector for one test: takes spans over OTLP/gRPC as a real one does, and keeps them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as wire;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use stack::ServiceName;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A running collector; dropping it ends it.
pub(crate) struct Collector {
    url: String,
    kept: Kept,
    _serving: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", incoming.local_addr().unwrap());
        let kept = Kept::default();
        let server = Server::builder().add_service(TraceServiceServer::new(kept.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        Self { url, kept, _serving: serving }
    }

    /// What makes the services send their spans here, and soon.
    pub(crate) fn settings(&self) -> Vec<(ServiceName, &'static str, &str)> {
        let of =
            |name| [(name, "OTEL_EXPORTER_OTLP_ENDPOINT", self.url.as_str()), (name, "OTEL_BSP_SCHEDULE_DELAY", "100")];
        ServiceName::ALL.into_iter().flat_map(of).collect()
    }

    /// Every span that came so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for request in self.kept.0.lock().unwrap().iter() {
            for resource in &request.resource_spans {
                let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                let service = text_of(attributes, "service.name").unwrap_or_default();
                for scope in &resource.scope_spans {
                    let span = |span: &wire::Span| Span {
                        service: service.clone(),
                        schema_url: scope.schema_url.clone(),
                        span: span.clone(),
                    };
                    spans.extend(scope.spans.iter().map(span));
                }
            }
        }
        spans
    }

    /// Everything that came, in words, for a search.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.kept.0.lock().unwrap())
    }
}

/// A span as it was sent, and who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) schema_url: String,
    span: wire::Span,
}

impl Span {
    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    /// In lower-case hex, as logs and rows have it.
    pub(crate) fn trace_id(&self) -> String {
        self.span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn is_root(&self) -> bool {
        self.span.parent_span_id.is_empty()
    }

    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        (&self.span.trace_id, &self.span.parent_span_id) == (&parent.span.trace_id, &parent.span.span_id)
    }

    pub(crate) fn is_linked_to(&self, other: &Self) -> bool {
        let origin = (&other.span.trace_id, &other.span.span_id);
        self.span.links.iter().any(|link| (&link.trace_id, &link.span_id) == origin)
    }

    /// The value of an attribute in words.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        text_of(&self.span.attributes, key)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == wire::status::StatusCode::Error)
    }
}

fn text_of(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone() {
        Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => Some(text),
        Some(AnyValue { value: Some(any_value::Value::IntValue(number)) }) => Some(number.to_string()),
        Some(AnyValue { value: Some(any_value::Value::BoolValue(truth)) }) => Some(truth.to_string()),
        other => Some(format!("{other:?}")),
    }
}

//! The connection to NATS, and publishing that is done only once the server has stored the message.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, context::PublishErrorKind};
use async_nats::{ConnectOptions, HeaderMap};
use bytes::Bytes;
use contract::headers;
use contract::streams::ConsumerSpec;
use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::{Instrument, Span};

use crate::{metrics, trace};

/// Publishes in flight at once for one caller.
const WINDOW: usize = 16;
/// How long the server may take to store a message.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach NATS.
#[derive(Clone)]
pub struct Config {
    /// `nats://host:port`, several separated by commas.
    pub url: String,
    /// User name; each service has its own, with its own rights.
    pub user: Option<String>,
    /// Secret of the user.
    pub password: Option<String>,
    /// Name shown in the server's monitoring.
    pub client_name: String,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("user", &self.user)
            .field("client_name", &self.client_name)
            .finish_non_exhaustive()
    }
}

/// NATS could not be reached, or refused the user.
#[derive(Debug, thiserror::Error)]
#[error("connecting to NATS")]
pub struct ConnectError(#[from] async_nats::ConnectError);

/// One message to publish.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where to.
    pub subject: String,
    /// The subject's template, for spans and metrics.
    pub template: &'static str,
    /// Stream that must store it: a publish that lands elsewhere is refused.
    pub stream: &'static str,
    /// Full protobuf name of the body.
    pub message_type: &'static str,
    /// Deduplication id; raw chunks only.
    pub message_id: Option<String>,
    /// Run that it belongs to.
    pub run_id: Option<String>,
    /// Workspace that it belongs to.
    pub workspace_id: String,
    /// When the records were read, RFC 3339.
    pub captured_at: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body is packed by `contract::body::pack`.
    pub compressed: bool,
}

/// The message may or may not be stored: publish the same bytes again.
#[derive(Debug, thiserror::Error)]
#[error("publishing to {template}")]
pub struct PublishError {
    template: &'static str,
    #[source]
    source: jetstream::context::PublishError,
}

impl PublishError {
    /// Whether the stream is full: not an error for anybody, only a reason to wait.
    #[must_use]
    pub fn is_back_pressure(&self) -> bool {
        // The server's "maximum bytes exceeded" and "maximum messages exceeded" have no kind of their own.
        self.source.kind() == PublishErrorKind::Other && {
            let text = format!("{:?}", self.source);
            text.contains("10077") || text.contains("maximum")
        }
    }

    /// The class of the failure, for spans.
    fn kind(&self) -> &'static str {
        match self.source.kind() {
            _ if self.is_back_pressure() => "back_pressure",
            PublishErrorKind::TimedOut => "timeout",
            PublishErrorKind::StreamNotFound => "stream_not_found",
            PublishErrorKind::BrokenPipe => "connection_lost",
            _ => "publish_failed",
        }
    }

    /// Whether the message can never be stored, however often it is tried.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.source.kind() == PublishErrorKind::MaxPayloadExceeded
    }
}

/// A connection to NATS; cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    client: async_nats::Client,
    context: jetstream::Context,
}

impl Bus {
    /// Connects and keeps the connection; after an outage it reconnects by itself, for ever.
    ///
    /// # Errors
    /// When the first connection fails.
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        let mut options = ConnectOptions::new().name(&config.client_name).max_reconnects(None);
        if let (Some(user), Some(password)) = (&config.user, &config.password) {
            // Each user may only listen below its own inbox, so nobody reads another's replies.
            options =
                options.custom_inbox_prefix(format!("_INBOX_{user}")).user_and_password(user.clone(), password.clone());
        }
        let servers: Vec<_> = config.url.split(',').map(str::trim).collect();
        let client = options.connect(servers).await?;
        let context = jetstream::context::ContextBuilder::new()
            .timeout(Duration::from_secs(10))
            .ack_timeout(ACK_TIMEOUT)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self { client, context })
    }

    /// Returns the JetStream context.
    #[must_use]
    pub fn context(&self) -> &jetstream::Context {
        &self.context
    }

    /// Whether the connection stands now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Returns how many messages wait for a consumer, if the server says so.
    pub async fn waiting(&self, spec: ConsumerSpec) -> Option<u64> {
        let consumer: PullConsumer = self.context.get_consumer_from_stream(spec.durable, spec.stream).await.ok()?;
        Some(consumer.cached_info().num_pending)
    }

    /// Publishes and waits until the server has stored the message. The current span becomes the message's origin.
    ///
    /// # Errors
    /// When no ack came; the message may be stored all the same.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        self.publish_all([publication]).await
    }

    /// Publishes all, several at once, and waits until every one is stored. They have one origin: their common span
    /// below the current one.
    ///
    /// # Errors
    /// The first failure; others may be stored.
    pub async fn publish_all(
        &self,
        publications: impl IntoIterator<Item = Publication, IntoIter: Send> + Send,
    ) -> Result<(), PublishError> {
        let publications: Vec<_> = publications.into_iter().collect();
        let Some(span) = trace::publish_span(&publications) else { return Ok(()) };
        let stored = stream::iter(publications)
            .map(|publication| self.store_measured(publication))
            .buffered(WINDOW)
            .try_for_each(|()| async { Ok(()) })
            .instrument(span.clone())
            .await;
        if let Err(error) = &stored {
            trace::fail(&span, error.kind());
        }
        stored
    }

    async fn store_measured(&self, publication: Publication) -> Result<(), PublishError> {
        let begun = std::time::Instant::now();
        let template = publication.template;
        let outcome = self.store(publication).await;
        metrics::published(template, begun.elapsed(), outcome.is_ok());
        outcome
    }

    async fn store(&self, publication: Publication) -> Result<(), PublishError> {
        let template = publication.template;
        let failed = |source| PublishError { template, source };
        let headers = headers_of(&publication);
        let message = jetstream::message::PublishMessage::build()
            .headers(headers)
            .expected_stream(publication.stream)
            .payload(Bytes::from(publication.body));
        let ack = self.context.send_publish(publication.subject, message).await.map_err(failed)?;
        ack.await.map_err(failed)?;
        Ok(())
    }

    /// Sends what is buffered and closes; call once, at the end.
    pub async fn drain(&self) {
        if let Err(error) = self.client.drain().await {
            tracing::debug!(error = %error, "draining NATS");
        }
    }
}

fn headers_of(publication: &Publication) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(headers::CONTENT_TYPE, headers::PROTOBUF);
    map.insert(headers::MESSAGE_TYPE, publication.message_type);
    map.insert(headers::SCHEMA, headers::SCHEMA_VERSION.to_string().as_str());
    map.insert(headers::WORKSPACE, publication.workspace_id.as_str());
    if publication.compressed {
        map.insert(headers::CONTENT_ENCODING, "zstd");
    }
    if let Some(id) = &publication.message_id {
        map.insert(headers::MESSAGE_ID, id.as_str());
    }
    if let Some(run_id) = &publication.run_id {
        map.insert(headers::RUN_ID, run_id.as_str());
    }
    if let Some(captured_at) = &publication.captured_at {
        map.insert(headers::CAPTURED_AT, captured_at.as_str());
    }
    trace::inject(&Span::current(), &mut map);
    map
}

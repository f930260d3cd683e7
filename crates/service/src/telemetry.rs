//! Traces to a collector if one is named, metrics for Prometheus, logs on standard output.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue, global};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Common, LogFormat};
use crate::{logs, pool_metrics};

/// The conventions that our spans follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";
/// The crates whose spans leave the process: those of libraries tell of frames and statements, not of our work.
const TRACED: [&str; 6] = ["auth", "customer_writer", "extractor", "mapper", "messaging", "service"];

/// Telemetry of a process; flush it last.
#[derive(Debug)]
pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
}

/// Starts telemetry for the process; call once, within the runtime.
///
/// # Errors
/// When the log filter or the collector's address is wrong.
pub fn init(service: &'static str, version: &'static str, config: &Common) -> anyhow::Result<Telemetry> {
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.namespace", "lanesync"),
            KeyValue::new("service.version", version),
            KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
        ])
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());

    let mut tracer = SdkTracerProvider::builder().with_resource(resource.clone());
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .context("building the trace exporter")?;
        tracer = tracer.with_batch_exporter(exporter);
    }
    let tracer = tracer.build();
    global::set_tracer_provider(tracer.clone());

    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(prometheus::default_registry().clone())
        .scope_info_enabled(false)
        .build()
        .context("building the metrics exporter")?;
    let meter = SdkMeterProvider::builder().with_resource(resource).with_reader(exporter).build();
    global::set_meter_provider(meter.clone());

    let filter = EnvFilter::try_new(&config.log)
        .context("LANESYNC_LOG is not a filter")?
        .add_directive(pool_metrics::unlogged().parse().context("keeping the pool out of the log")?);
    let lines = match config.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer().event_format(logs::Json { service, version }).boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().with_target(false).boxed(),
    };
    let scope = InstrumentationScope::builder(service).with_version(version).with_schema_url(SCHEMA_URL).build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer_with_scope(scope))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false);
    // Dynamic on purpose: beside another filter, a constant answer is not asked for again, and spans get lost by the answer
    // to whatever was asked before.
    let own_spans = dynamic_filter_fn(|metadata, _| is_traced(metadata)).with_max_level_hint(LevelFilter::INFO);
    let hand_outs = dynamic_filter_fn(|metadata, _| pool_metrics::is_hand_out(metadata));
    tracing_subscriber::registry()
        .with(spans.with_filter(own_spans))
        .with(pool_metrics::Waits.with_filter(hand_outs.with_max_level_hint(LevelFilter::INFO)))
        .with(lines.with_filter(filter))
        .try_init()
        .context("installing the log subscriber")?;
    Ok(Telemetry { tracer, meter })
}

/// Whether a span leaves the process. Log lines stay in the log, which names their trace.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span() && *metadata.level() <= Level::INFO && TRACED.contains(&root)
}

impl Telemetry {
    /// Sends what is left, for at most about three seconds.
    pub async fn flush(self) {
        let flushed = tokio::task::spawn_blocking(move || {
            // Nobody is left to tell about a failure.
            let _ = self.tracer.shutdown();
            let _ = self.meter.shutdown();
        });
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), flushed).await;
    }
}

//! Takes messages from a durable consumer and settles each: the one place where "can trying again help?" is acted on.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use contract::streams::ConsumerSpec;
use contract::{headers, subjects};
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{Bus, Delivery, Outcome, metrics, trace};

/// Work longer than this tells the server that it goes on, well before the delivery would be repeated.
const PROGRESS: Duration = Duration::from_secs(10);
/// How long to wait after a pull that broke.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one pull waits for messages.
const EXPIRES: Duration = Duration::from_secs(5);
/// How long a batch that is not full waits for messages that the server has already: one transaction for many is cheaper
/// than many for one. Nothing waits when nothing is behind it.
const GATHER: Duration = Duration::from_millis(10);

/// How much to take at once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most deliveries handed over together.
    pub batch: usize,
    /// Groups of deliveries in hand at the same time.
    pub workers: usize,
    /// The stage's name in dead letters.
    pub stage: &'static str,
}

/// What a service does with messages.
pub trait Handler: Send + Sync + 'static {
    /// Returns one outcome per delivery, in their order. A delivery that failed before comes alone.
    fn handle(&self, deliveries: &[Delivery]) -> impl Future<Output = Vec<Outcome>> + Send;

    /// Decides about a single delivery whose handling panicked.
    fn handle_panic(&self, delivery: &Delivery) -> impl Future<Output = Outcome> + Send {
        let _ = delivery;
        std::future::ready(Outcome::Retry { reason: "panicked" })
    }
}

/// The consumer can't be read; the process should end and be started again.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The durable consumer is not there: migrations did not run.
    #[error("finding consumer {durable} of stream {stream}")]
    Missing {
        /// Stream.
        stream: &'static str,
        /// Durable name.
        durable: &'static str,
        /// What the server said.
        #[source]
        source: jetstream::stream::ConsumerError,
    },
    /// A worker ended without settling what it had in hand.
    #[error("a worker of the consumer ended")]
    WorkerEnded,
}

/// Handles messages until `stopping`; then finishes what is in hand and gives back the rest.
///
/// # Errors
/// [`ConsumeError`] when the consumer is missing or breaks down for good.
pub async fn consume<H: Handler>(
    bus: &Bus,
    spec: ConsumerSpec,
    options: Options,
    handler: Arc<H>,
    stopping: CancellationToken,
) -> Result<(), ConsumeError> {
    let consumer = find(bus, spec).await?;
    let worker = Arc::new(Worker { bus: bus.clone(), spec, options, handler });
    let mut in_hand = JoinSet::new();
    while !stopping.is_cancelled() {
        let pulled = consumer.stream().max_messages_per_batch(options.batch).expires(EXPIRES).messages().await;
        let is_broken = match pulled {
            Ok(messages) => worker.drain(messages, &mut in_hand, &stopping).await?,
            Err(error) => {
                tracing::warn!(error = %error, consumer = spec.durable, "pulling messages");
                true
            }
        };
        if is_broken {
            let _ = tokio::time::timeout(PAUSE, stopping.cancelled()).await;
        }
    }
    while !in_hand.is_empty() {
        finished(&mut in_hand).await?;
    }
    Ok(())
}

/// Groups of messages that are being handled.
type InHand = JoinSet<()>;

/// Waits until one of the groups in hand is settled.
async fn finished(in_hand: &mut InHand) -> Result<(), ConsumeError> {
    match in_hand.join_next().await {
        Some(Err(_)) => Err(ConsumeError::WorkerEnded),
        Some(Ok(())) | None => Ok(()),
    }
}

async fn find(bus: &Bus, spec: ConsumerSpec) -> Result<PullConsumer, ConsumeError> {
    bus.context()
        .get_consumer_from_stream::<pull::Config, _, _>(spec.durable, spec.stream)
        .await
        .map_err(|source| ConsumeError::Missing { stream: spec.stream, durable: spec.durable, source })
}

/// What a pull brings.
type Pulled = Result<jetstream::Message, pull::MessagesError>;

struct Worker<H> {
    bus: Bus,
    spec: ConsumerSpec,
    options: Options,
    handler: Arc<H>,
}

impl<H: Handler> Worker<H> {
    /// Handles what the pull brings until it ends or the process stops; true if it broke.
    ///
    /// One pull serves all workers: the server deals messages out one by one, and several pulls would take each page apart.
    async fn drain(
        self: &Arc<Self>,
        mut messages: pull::Stream,
        in_hand: &mut InHand,
        stopping: &CancellationToken,
    ) -> Result<bool, ConsumeError> {
        loop {
            let first = tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                first = messages.next() => first,
            };
            let Some(first) = first else { return Ok(false) };
            let (deliveries, broken) = self.gather(first, &mut messages).await;
            for group in self.groups(deliveries) {
                while in_hand.len() >= self.options.workers.max(1) {
                    finished(in_hand).await?;
                }
                in_hand.spawn(Arc::clone(self).handle(group));
            }
            if broken {
                return Ok(true);
            }
        }
        // What was fetched and not begun goes to another replica at once.
        while let Some(Some(message)) = messages.next().now_or_never() {
            if let Ok(message) = message {
                let _ = message.ack_with(AckKind::Nak(None)).await;
            }
        }
        Ok(false)
    }

    /// Returns a batch: what is there, and what the server says is right behind it. True if the pull broke.
    async fn gather(&self, first: Pulled, messages: &mut pull::Stream) -> (Vec<Delivery>, bool) {
        let (mut deliveries, mut next) = (Vec::with_capacity(self.options.batch), Some(first));
        let patience = tokio::time::Instant::now() + GATHER;
        while let Some(message) = next {
            match message {
                Ok(message) => deliveries.extend(Delivery::new(message)),
                Err(error) => {
                    tracing::warn!(error = %error, consumer = self.spec.durable, "reading messages");
                    return (deliveries, true);
                }
            }
            if deliveries.len() >= self.options.batch {
                break;
            }
            next = match messages.next().now_or_never() {
                Some(ready) => ready,
                None if deliveries.last().is_some_and(Delivery::is_followed) => {
                    tokio::time::timeout_at(patience, messages.next()).await.ok().flatten()
                }
                None => None,
            };
        }
        (deliveries, false)
    }

    /// Puts fresh deliveries of one origin together, so that each page of Salesforce stays one trace; one that failed before
    /// comes alone, so that it can't hold up its neighbours.
    fn groups(&self, deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
        let (fresh, again): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|delivery| delivery.delivered() == 1);
        let groups: Vec<_> =
            trace::by_origin(fresh).into_iter().chain(again.into_iter().map(|one| vec![one])).collect();
        trace::fetched(&self.spec, &groups);
        groups
    }

    async fn handle(self: Arc<Self>, mut deliveries: Vec<Delivery>) {
        let begun = Instant::now();
        let span = trace::process_span(&self.spec, &deliveries);
        for delivery in &mut deliveries {
            delivery.enter(span.clone());
        }
        let outcomes = {
            let work = AssertUnwindSafe(self.handler.handle(&deliveries)).catch_unwind().instrument(span.clone());
            tokio::pin!(work);
            let mut progress = tokio::time::interval_at(tokio::time::Instant::now() + PROGRESS, PROGRESS);
            loop {
                tokio::select! {
                    outcomes = &mut work => break outcomes,
                    _ = progress.tick() => {
                        for delivery in &deliveries {
                            let _ = delivery.message.ack_with(AckKind::Progress).await;
                        }
                    }
                }
            }
        };
        metrics::processed(self.spec.template, deliveries.len(), begun.elapsed());
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(_) => self.after_panic(&deliveries).instrument(span.clone()).await,
        };
        // A handler that returned too few outcomes said nothing about the rest: they come again.
        let outcomes = outcomes.into_iter().chain(std::iter::repeat(Outcome::Retry { reason: "no_outcome" }));
        let settling: Vec<_> = deliveries.iter().zip(outcomes).collect();
        if let Some(reason) = settling.iter().find_map(|(_, outcome)| outcome.reason()) {
            trace::fail(&span, reason);
        }
        for verb in ["ack", "nak", "term"] {
            let alike: Vec<_> = settling.iter().filter(|(_, outcome)| outcome.verb() == verb).collect();
            if alike.is_empty() {
                continue;
            }
            let settle = trace::settle_span(&self.spec, &span, verb, alike.len());
            // All at once: each waits for the server's answer.
            let settled = alike.into_iter().map(|(delivery, outcome)| self.settle(delivery, *outcome));
            join_all(settled).instrument(settle).await;
        }
    }

    async fn after_panic(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        tracing::error!(consumer = self.spec.durable, "handling a message panicked");
        match deliveries {
            [single] => vec![self.handler.handle_panic(single).await],
            several => vec![Outcome::Retry { reason: "panicked" }; several.len()],
        }
    }

    /// Tells the server what became of a message. A message is let go only after its dead letter is stored.
    ///
    /// A settlement that fails is repeated by the redelivery; every effect is safe to repeat.
    async fn settle(&self, delivery: &Delivery, outcome: Outcome) {
        let settled = match outcome {
            Outcome::Done => delivery.message.double_ack().await,
            Outcome::Retry { reason } => {
                let delay = retry_delay(delivery.delivered());
                tracing::info!(reason, delay_ms = delay.as_millis() as u64, "message comes again");
                delivery.message.ack_with(AckKind::Nak(Some(delay))).await
            }
            Outcome::Reject { reason } => {
                if let Err(error) = self.keep_dead_letter(delivery, reason).await {
                    tracing::warn!(error = %error, "storing a dead letter; the message comes again");
                    return;
                }
                delivery.message.ack_with(AckKind::Term).await
            }
        };
        if let Err(error) = settled {
            trace::fail(&tracing::Span::current(), "settle_failed");
            tracing::warn!(error = %error, "settling a message; it comes again");
        }
    }

    async fn keep_dead_letter(&self, delivery: &Delivery, reason: &'static str) -> Result<(), async_nats::Error> {
        let mut map = delivery.headers_to_keep();
        map.insert(headers::DLQ_STAGE, self.options.stage);
        map.insert(headers::DLQ_REASON, reason);
        map.insert(headers::DLQ_ORIGIN_SUBJECT, delivery.subject());
        map.insert(headers::DLQ_ORIGIN_SEQ, delivery.stream_sequence().to_string().as_str());
        let subject = subjects::dead_letter(self.options.stage, delivery.subject());
        let ack = self.bus.context().publish_with_headers(subject, map, delivery.payload().clone()).await?;
        ack.await?;
        metrics::dead_letter(self.options.stage, reason);
        tracing::error!(reason, stage = self.options.stage, "message kept as a dead letter");
        Ok(())
    }
}

/// Returns how long to wait before delivery `delivered` + 1, with up to a fifth of jitter.
fn retry_delay(delivered: i64) -> Duration {
    const STEPS: [Duration; 5] = [
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(30),
        Duration::from_secs(120),
        Duration::from_secs(600),
    ];
    let step = usize::try_from(delivered - 1).unwrap_or(0).min(STEPS.len() - 1);
    let jitter = RandomState::new().hash_one(delivered) % 200;
    STEPS[step] + STEPS[step] * u32::try_from(jitter).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_and_stays_within_its_step() {
        for (delivered, seconds) in [(1, 1), (2, 5), (3, 30), (4, 120), (5, 600), (500, 600)] {
            let delay = retry_delay(delivered).as_secs_f64() / f64::from(seconds);
            assert!((1.0..1.2).contains(&delay), "{delivered}: {delay}");
        }
    }
}

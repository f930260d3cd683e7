//! What fields hold, from a few of the newest records: so that people see what they choose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::common::v1::SalesforceObject;
use contract::convert::{self, to_wire_time};
use contract::extractor::v1::{FieldSample, FieldSamples, FieldSchema, SampleFieldsRequest};
use domain::{Epoch, Object, WorkspaceId};
use tonic::Status;

use super::access::AccessApi;
use super::{call_failed, readable};
use crate::describe::{Freshness, Schema};
use crate::record::sample::{self, Held};
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Session, counting};
use crate::soql;
use crate::soql::FieldPath;

/// Records looked at.
const RECORDS: usize = 200;
/// Fields of one query, and queries of one sample: an object with more fields shows the rest without values.
const FIELDS_PER_QUERY: usize = 200;
const MOST_QUERIES: usize = 5;
/// How long a sample is told again.
const SHELF_LIFE: Duration = Duration::from_secs(600);

type Key = (WorkspaceId, Epoch, Object);

/// Samples of this process. Values of records live here and nowhere else, and not for long.
#[derive(Default)]
pub(super) struct Samples(Mutex<HashMap<Key, (Instant, Arc<FieldSamples>)>>);

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

impl Samples {
    fn kept(&self, key: Key) -> Option<Arc<FieldSamples>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| at.elapsed() < SHELF_LIFE);
        kept.get(&key).map(|(_, samples)| Arc::clone(samples))
    }

    fn keep(&self, key: Key, samples: FieldSamples) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (Instant::now(), Arc::new(samples)));
    }
}

impl AccessApi {
    pub(super) async fn sample(&self, request: SampleFieldsRequest) -> Result<FieldSamples, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = convert::object(request.object)?;
        let known = readable(&self.reader, workspace).await?;
        let key = (workspace, known.epoch, object);
        if let Some(kept) = self.samples.kept(key).filter(|_| !request.refresh) {
            return Ok(FieldSamples { api_calls: 0, ..kept.as_ref().clone() });
        }
        let session = self.reader.sessions.of(&known);
        let freshness = if request.refresh { Freshness::Asked } else { Freshness::Minutes };
        let (sampled, api_calls) = counting(async {
            match self.ask(&session, object, freshness).await {
                // A field was hidden since the describe was asked.
                Err(CallError { verdict: Verdict::DropField(_), .. }) => {
                    self.ask(&session, object, Freshness::Whole).await
                }
                answered => answered,
            }
        })
        .await;
        self.book(workspace, &session).await?;
        let samples = sampled.map_err(|error| call_failed(&error, Some(object)))?;
        let samples = FieldSamples { api_calls: i64::try_from(api_calls).unwrap_or(i64::MAX), ..samples };
        self.samples.keep(key, samples.clone());
        Ok(samples)
    }

    async fn ask(&self, session: &Session, object: Object, freshness: Freshness) -> Result<FieldSamples, CallError> {
        let schema = self.reader.describes.schema(session, object, freshness).await?;
        let is_one_value = |path: &&FieldPath| schema.kind_of(path).is_some();
        let paths: Vec<FieldPath> = schema
            .fields
            .iter()
            .map(|field| &field.path)
            .filter(is_one_value)
            .take(FIELDS_PER_QUERY * MOST_QUERIES)
            .cloned()
            .collect();
        let mut held: HashMap<&FieldPath, Held> = HashMap::new();
        let mut records = 0;
        for some in paths.chunks(FIELDS_PER_QUERY) {
            let request = self.reader.client.query_all(&soql::newest(object, some, RECORDS));
            let answer = self.reader.client.call(session, &request).await?;
            let (count, of_fields) = sample::read(&answer.body, some)?;
            records = records.max(count);
            held.extend(some.iter().zip(of_fields));
        }
        Ok(told(&schema, records, &held))
    }
}

fn told(schema: &Schema, records: i32, held: &HashMap<&FieldPath, Held>) -> FieldSamples {
    let fields = schema.fields.iter().map(|field| {
        let held = held.get(&field.path);
        FieldSample {
            filled: held.map(|held| held.filled),
            values: held.map(|held| held.values.clone()).unwrap_or_default(),
            field: Some(FieldSchema { picklist_values: Vec::new(), ..FieldSchema::from(field.clone()) }),
        }
    });
    FieldSamples {
        object: SalesforceObject::from(schema.object).into(),
        fields: fields.collect(),
        records,
        api_calls: 0,
        read_time: Some(to_wire_time(schema.read_at)),
    }
}

//! Describes of this process, per connection. A restart costs one call an object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{Epoch, Object, WorkspaceId};
use jiff::Timestamp;

use super::parse::{Described, Relation, parse};
use super::{Field, Schema};

use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Client, Request, Session};
use crate::soql;

/// A describe this young is not asked for again.
const YOUNG: Duration = Duration::from_secs(300);

/// Describes, kept; cheap to clone.
#[derive(Clone, Debug)]
pub struct Describes {
    client: Client,
    kept: Arc<Mutex<HashMap<Key, Kept>>>,
    currencies: Arc<Mutex<HashMap<(WorkspaceId, Epoch), String>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    workspace: WorkspaceId,
    epoch: Epoch,
    object: String,
}

#[derive(Clone, Debug)]
struct Kept {
    described: Arc<Described>,
    last_modified: Option<String>,
    asked_at: Instant,
    read_at: Timestamp,
}

/// How fresh a describe must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A few minutes old is fine.
    Minutes,
    /// A few minutes old is fine; after that Salesforce must tell everything, because a field is missed, and whether a mere
    /// permission counts as a change nobody has said.
    MinutesThenWhole,
    /// Salesforce is asked, but may answer that nothing changed.
    Asked,
    /// Salesforce must tell everything: a query just contradicted what is known.
    Whole,
}

impl Describes {
    /// Begins with nothing.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, kept: Arc::default(), currencies: Arc::default() }
    }

    /// Returns an object as the integration user sees it, with the readable fields of its relations.
    ///
    /// # Errors
    /// [`CallError`]; [`Verdict::PauseObject`] when the user may not see the object.
    pub async fn schema(&self, session: &Session, object: Object, freshness: Freshness) -> Result<Schema, CallError> {
        let kept = self.described(session, object.api_name(), freshness).await?;
        let mut fields = kept.described.own_fields();
        for relation in kept.described.relations() {
            fields.extend(self.fields_over(session, &relation).await?);
        }
        Ok(Schema {
            object,
            label: kept.described.label.clone(),
            fields,
            read_at: kept.read_at,
            default_currency: self.default_currency(session).await?,
        })
    }

    /// Relations lead to people (owners) and to the objects that we read; everything else is of no use to a customer row.
    async fn fields_over(&self, session: &Session, relation: &Relation) -> Result<Vec<Field>, CallError> {
        const FOLLOWED: &[&str] = &["User", "Account", "Contact"];
        const RELATIONS: &[&str] = &["Owner", "Account", "Parent", "ReportsTo", "ConvertedAccount", "ConvertedContact"];
        let target = relation.targets.iter().find(|target| FOLLOWED.contains(&target.as_str()));
        let (Some(target), true) = (target, RELATIONS.contains(&relation.name.as_str())) else {
            return Ok(Vec::new());
        };
        match self.described(session, target, Freshness::Minutes).await {
            Ok(kept) => Ok(kept.described.fields_over(relation)),
            // A hidden neighbour hides only what lies over the relation to it.
            Err(CallError { verdict: Verdict::PauseObject(_), .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn described(&self, session: &Session, object: &str, freshness: Freshness) -> Result<Kept, CallError> {
        let key = Key { workspace: session.workspace, epoch: session.epoch, object: object.to_owned() };
        let minutes = matches!(freshness, Freshness::Minutes | Freshness::MinutesThenWhole);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(kept) = kept.as_ref().filter(|kept| minutes && kept.asked_at.elapsed() < YOUNG) {
            return Ok(kept.clone());
        }
        let may_be_unchanged = matches!(freshness, Freshness::Minutes | Freshness::Asked);
        let since = kept.as_ref().filter(|_| may_be_unchanged).and_then(|kept| kept.last_modified.clone());
        let path = self.client.path(&format!("sobjects/{object}/describe"));
        let request =
            Request::get(path, "/services/data/{version}/sobjects/{object}/describe").if_modified_since(since);
        let answer = match self.client.call(session, &request).await {
            Ok(answer) => answer,
            Err(error) => {
                if matches!(error.verdict, Verdict::PauseObject(_)) {
                    self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                }
                return Err(error);
            }
        };
        let fresh = match kept.filter(|_| answer.not_modified) {
            Some(kept) => Kept { asked_at: Instant::now(), read_at: answer.server_time.to_timestamp(), ..kept },
            None => Kept {
                described: Arc::new(parse(&answer.body)?),
                last_modified: answer.header("last-modified").map(str::to_owned),
                asked_at: Instant::now(),
                read_at: answer.server_time.to_timestamp(),
            },
        };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, fresh.clone());
        Ok(fresh)
    }

    /// The currency of amounts without one; empty when the org does not tell. Asked once a connection.
    async fn default_currency(&self, session: &Session) -> Result<String, CallError> {
        let key = (session.workspace, session.epoch);
        let known = self.currencies.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(currency) = known {
            return Ok(currency);
        }
        let request = self.client.query_all(&soql::default_currency());
        let currency = match self.client.call(session, &request).await {
            Ok(answer) => currency_of(&answer.body).unwrap_or_default(),
            // An org that refuses the question has told that it does not tell.
            Err(CallError { verdict: Verdict::DropField(_) | Verdict::PauseObject(_), .. }) => String::new(),
            Err(error) => return Err(error),
        };
        self.currencies.lock().unwrap_or_else(PoisonError::into_inner).insert(key, currency.clone());
        Ok(currency)
    }
}

fn currency_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        records: Vec<Organization>,
    }
    #[derive(serde::Deserialize)]
    struct Organization {
        #[serde(rename = "DefaultCurrencyIsoCode")]
        currency: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.records.into_iter().next()?.currency
}

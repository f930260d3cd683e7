//! Reads records by id: what the delete log lists, what other records need, what a whole read did not bring, what somebody
//! asked for.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use contract::writer::v1::ListAccountContactsRequest;
use domain::{Object, SalesforceId};
use tracing::Instrument;

use super::TurnError;
use super::fields::Prepared;
use super::memory::lock;
use super::page::{BookEntry, PageRead, RunRef, page_span};
use super::turn::{Step, Turn};
use crate::describe::Freshness;
use crate::record::{Parent, Record, Records, State, page};
use crate::run::Work;
use crate::salesforce::{CallError, Request};
use crate::soql::{self, MAX_URI_BYTES};
use crate::store::pending::{Cause, Wanted};
use crate::store::{self, pending};

/// Bytes of one id in an address: quotes and comma are escaped.
const BYTES_PER_ID: usize = 27;
/// Most ids of one query.
const MAX_IDS: usize = 500;

impl Turn {
    /// Reads the next pending records of an object, or moves on when there are none.
    pub(crate) async fn read_pending(&mut self, run: RunRef, object: Object, work: Work) -> Result<Step, TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let most = i64::try_from(MAX_IDS).unwrap_or(i64::MAX);
        let wanted = pending::next(&mut tx, self.workspace.id, run.id, object, most).await?;
        tx.commit().await?;
        if wanted.is_empty() {
            let next = run.purpose.stage_after(work.stage).map(|stage| Work { stage, ..work });
            self.book(run.id, &[BookEntry::Work(object, next)]).await?;
            return Ok(Step::Progress);
        }
        if wanted.iter().any(|wanted| wanted.cause == Cause::ContactsOf) {
            return self.expand_contacts(run, wanted).await;
        }
        let prepared = self.prepare(object, Freshness::Minutes).await?;
        let batch = &wanted[..wanted.len().min(ids_per_query(&prepared))];
        let ids: Vec<SalesforceId> = batch.iter().map(|wanted| wanted.id.clone()).collect();
        let read = async {
            let mut page = self.fetch_by_ids(&prepared, &ids).await?;
            page.records.records.extend(absent(batch, &page.records));
            let entries = vec![BookEntry::NoLongerPending(object, ids.clone())];
            self.enter_page(run, &prepared, page, entries).await
        };
        read.instrument(page_span(object)).await?;
        Ok(Step::Progress)
    }

    /// Asks the writer which contacts the accounts have, and reads those.
    async fn expand_contacts(&mut self, run: RunRef, wanted: Vec<Wanted>) -> Result<Step, TurnError> {
        let accounts: Vec<SalesforceId> =
            wanted.into_iter().filter(|wanted| wanted.cause == Cause::ContactsOf).map(|wanted| wanted.id).collect();
        let request = ListAccountContactsRequest {
            workspace_id: self.workspace.id.to_string(),
            account_ids: accounts.iter().map(ToString::to_string).collect(),
        };
        let answer = self.reader.peers.writer.clone().list_account_contacts(request).await;
        let answer = answer.map_err(|status| TurnError::peer("writer", status))?.into_inner();
        let contacts = answer.contact_ids.iter().filter_map(|id| id.parse().ok()).collect();
        let entries = [
            BookEntry::NoLongerPending(Object::Contact, accounts),
            BookEntry::Pending(Object::Contact, Cause::Refetch, contacts),
        ];
        self.book(run.id, &entries).await?;
        Ok(Step::Progress)
    }

    /// Reads records by id, all pages of the answer under one read number.
    async fn fetch_by_ids(&mut self, prepared: &Prepared, ids: &[SalesforceId]) -> Result<PageRead, TurnError> {
        let began = Instant::now();
        let object = prepared.layout.object();
        let read_seq = store::next_read_seq(&mut *self.reader.pool.acquire().await?).await?;
        let query = soql::by_ids(object, &prepared.layout.select(), ids);
        let mut request = self.reader.client.query_all(&query);
        let mut records = Records::default();
        loop {
            let answer = self.reader.client.call(&self.session, &request).await?;
            let page = page::parse(&answer.body, &prepared.layout, answer.server_time).map_err(CallError::from)?;
            self.pages_left = self.pages_left.saturating_sub(1);
            records.extend(page.records);
            match page.next {
                Some(next) => request = Request::get(next, "/services/data/{version}/query/{locator}"),
                None => {
                    return Ok(PageRead { object, records, read_seq, read_at: answer.server_time, began });
                }
            }
        }
    }

    /// Brings the records that these need and that no scan may bring, in pages of the same run, before these are booked.
    pub(crate) async fn bring_parents(&mut self, run: RunRef, records: &Records) -> Result<(), TurnError> {
        let mut missing = self.missing_parents(&records.records);
        while !missing.is_empty() {
            let mut found = Vec::new();
            for (object, ids) in std::mem::take(&mut missing) {
                let prepared = match self.prepare(object, Freshness::Minutes).await {
                    Ok(prepared) => prepared,
                    // A parent's object that the user may not see has nothing to bring.
                    Err(TurnError::Call(error))
                        if matches!(error.verdict, crate::salesforce::verdict::Verdict::PauseObject(_)) =>
                    {
                        lock(&self.memory).note_parents(ids);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                for batch in ids.chunks(ids_per_query(&prepared)) {
                    let page = self.fetch_by_ids(&prepared, batch).await?;
                    found.extend(page.records.records.iter().cloned());
                    self.publish_and_book(run, &prepared, page, Vec::new()).await?;
                }
                lock(&self.memory).note_parents(ids);
            }
            // A lead's contact may lie before the start together with its account.
            missing = self.missing_parents(&found);
        }
        Ok(())
    }

    /// Returns the parents that lie before the covered start of their object and were not read yet.
    fn missing_parents(&self, records: &[Record]) -> HashMap<Object, Vec<SalesforceId>> {
        let memory = lock(&self.memory);
        let mut missing: HashMap<Object, HashSet<SalesforceId>> = HashMap::new();
        for parent in records.iter().flat_map(|record| &record.parents) {
            if self.lies_before_start(parent) && !memory.knows_parent(&parent.id) {
                missing.entry(parent.object).or_default().insert(parent.id.clone());
            }
        }
        missing.into_iter().map(|(object, ids)| (object, ids.into_iter().collect())).collect()
    }

    fn lies_before_start(&self, parent: &Parent) -> bool {
        let covered_from = match self.coverage_of(parent.object) {
            Some(coverage) if coverage.loaded => coverage.covered_from,
            _ => self.workspace.start,
        };
        // A row that can't show its parent's stamp leaves no choice but to look.
        covered_from.is_some_and(|covered| parent.modified.is_none_or(|modified| modified < covered))
    }
}

fn ids_per_query(prepared: &Prepared) -> usize {
    let columns: usize = prepared.layout.columns().iter().map(|column| column.path.as_str().len() + 3).sum();
    (MAX_URI_BYTES.saturating_sub(columns + 200) / BYTES_PER_ID).clamp(100, MAX_IDS)
}

/// Returns what it means that records were asked for and not shown.
fn absent(batch: &[Wanted], found: &Records) -> Vec<Record> {
    let shown: HashSet<&SalesforceId> = found
        .records
        .iter()
        .map(|record| &record.id)
        .chain(found.faults.iter().filter_map(|fault| fault.id.as_ref()))
        .collect();
    batch
        .iter()
        .filter(|wanted| !shown.contains(&wanted.id))
        .filter_map(|wanted| {
            let state = match wanted.cause {
                // Listed by the delete log and not in the bin any more: purged.
                Cause::Deleted => State::Deleted,
                // Hidden is not deleted: without evidence the record stays.
                Cause::Unseen | Cause::Refetch | Cause::Again => State::NotVisible,
                Cause::Parent | Cause::ContactsOf => return None,
            };
            Some(Record::without_image(wanted.id.clone(), state))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_09_only_the_delete_log_makes_an_absent_record_deleted() {
        let wanted = |n: u32, cause| Wanted { id: format!("001Kd0000{n:06}").parse().unwrap(), cause };
        let batch = [
            wanted(1, Cause::Deleted),
            wanted(2, Cause::Unseen),
            wanted(3, Cause::Refetch),
            wanted(4, Cause::Parent),
            wanted(5, Cause::Deleted),
        ];
        let shown =
            Records { records: vec![Record::without_image(batch[4].id.clone(), State::Live)], faults: Vec::new() };
        let states: Vec<_> = absent(&batch, &shown).into_iter().map(|record| (record.id, record.state)).collect();
        assert_eq!(
            states,
            [
                (batch[0].id.clone(), State::Deleted),
                (batch[1].id.clone(), State::NotVisible),
                (batch[2].id.clone(), State::NotVisible),
            ]
        );
    }
}

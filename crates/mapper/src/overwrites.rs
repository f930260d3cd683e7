//! What a save would overwrite: values that stand in fields which nothing feeds today. The writer holds them; the source store
//! knows what would come instead.

use std::collections::HashMap;

use contract::common::v1 as common;
use contract::convert;
use contract::mapper::v1 as wire;
use contract::writer::v1::{ListStandingValuesRequest, StandingRecord};
use domain::{Object, Value, WorkspaceId};
use tonic::Status;

use crate::field_mappings::Proposal;
use crate::paging::{self, Bound};
use crate::records::{Held, outcome};
use crate::rules::Rules;
use crate::{Mapper, refusal};

/// Examples beside the count.
const SAMPLES: usize = 20;

/// What would be overwritten, in all.
#[derive(Debug, Default)]
pub(crate) struct Overwritten {
    pub(crate) count: i64,
    /// Per Lane field.
    pub(crate) fields: HashMap<String, i64>,
    pub(crate) samples: Vec<wire::OverwrittenValue>,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    object: Object,
    after: String,
}

impl Mapper {
    pub(crate) async fn list_overwritten(
        &self,
        request: wire::ListOverwrittenValuesRequest,
    ) -> Result<wire::ListOverwrittenValuesResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let size = paging::size(request.page_size)?;
        let bound = bound(workspace, &request);
        let first = Place { object: kind.objects()[0], after: String::new() };
        let place = match request.page_token.as_str() {
            "" => first,
            token => bound.place(token, Place::read)?,
        };
        let proposal = self.proposal(workspace, kind, request.entries).await?;
        let new = proposal.rules();
        let (values, next) = self.overwritten_page(&proposal, &new, &place, size).await?;
        let next_page_token = next.map(|place| bound.token(&place.written())).unwrap_or_default();
        Ok(wire::ListOverwrittenValuesResponse { values, next_page_token })
    }

    /// Counts everything that a save would overwrite.
    pub(crate) async fn overwritten(&self, proposal: &Proposal) -> Result<Overwritten, Status> {
        let new = proposal.rules();
        let mut all = Overwritten::default();
        let mut next = Some(Place { object: proposal.kind.objects()[0], after: String::new() });
        while let Some(place) = next {
            let (values, further) = self.overwritten_page(proposal, &new, &place, paging::MOST).await?;
            all.count += i64::try_from(values.len()).unwrap_or(i64::MAX);
            for value in &values {
                *all.fields.entry(value.field.clone()).or_default() += 1;
            }
            let room = SAMPLES.saturating_sub(all.samples.len());
            all.samples.extend(values.into_iter().take(room));
            next = further;
        }
        Ok(all)
    }

    /// Looks at one page of rows, and says where the next one begins.
    async fn overwritten_page(
        &self,
        proposal: &Proposal,
        new: &Rules,
        place: &Place,
        size: i32,
    ) -> Result<(Vec<wire::OverwrittenValue>, Option<Place>), Status> {
        let (old_entries, new_entries) = (proposal.old.kind(proposal.kind), new.kind(proposal.kind));
        let is_new = |id: &&str| old_entries.entry(id).is_none();
        let fields: Vec<String> = new_entries
            .mapping
            .entries
            .iter()
            .map(|entry| entry.field.as_str())
            .filter(is_new)
            .map(str::to_owned)
            .collect();
        if fields.is_empty() {
            return Ok((Vec::new(), None));
        }
        let object = place.object;
        let request = ListStandingValuesRequest {
            workspace_id: proposal.known.id.to_string(),
            object: common::SalesforceObject::from(object).into(),
            fields,
            ids: Vec::new(),
            page_size: size,
            after_id: place.after.clone(),
        };
        let rows = self.standing.clone().list_standing_values(request).await.map_err(refusal::of_peer)?;
        let rows = rows.into_inner().records;
        let full = rows.len() == usize::try_from(size).unwrap_or(usize::MAX);
        let next = match rows.last().filter(|_| full) {
            Some(last) => Some(Place { object, after: last.id.clone() }),
            None => {
                let mut objects = proposal.kind.objects().iter().skip_while(|known| **known != object).skip(1);
                objects.next().map(|object| Place { object: *object, after: String::new() })
            }
        };
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut tx = self.snapshot(proposal.known.id).await?;
        let held = self.held(&mut tx, &proposal.known, object, &ids).await?;
        drop(tx);
        let held: HashMap<&str, &Held> = held.iter().map(|held| (held.stored.image.id.as_str(), held)).collect();
        let mut values = Vec::new();
        for row in &rows {
            if let Some(held) = held.get(row.id.as_str()) {
                compare(new, object, row, held, &mut values);
            }
        }
        Ok((values, next))
    }
}

/// Adds what the mapping would put in the place of what stands in a row.
fn compare(new: &Rules, object: Object, row: &StandingRecord, held: &Held, values: &mut Vec<wire::OverwrittenValue>) {
    let compiled = new.compiled(object);
    if !held.stored.image.is_live() {
        return;
    }
    let mapped = held.map(compiled);
    // A faulty record is parked, so nothing of it changes.
    if !mapped.faults.is_empty() {
        return;
    }
    for field in &row.fields {
        let Some(place) = compiled.fields().position(|id| id.as_str() == field.field) else { continue };
        let Some(standing) = field.value.clone().and_then(|value| Value::try_from(value).ok()) else { continue };
        let source = compiled.entries().get(place).and_then(|entry| entry.source(object));
        // Not fed by this object: what stands stays.
        let Some(path) = source else { continue };
        let unread = !held.fields.iter().any(|read| read == path.as_str());
        let after = match mapped.cells.get(place).and_then(outcome) {
            Some(after) if after.as_ref() != Some(&standing) => after,
            None if unread => None,
            _ => continue,
        };
        values.push(wire::OverwrittenValue {
            object: common::SalesforceObject::from(object).into(),
            id: row.id.clone(),
            lane_id: row.lane_id.clone(),
            name: row.name.clone(),
            field: field.field.clone(),
            standing: Some(common::Value::from(&standing)),
            after: after.as_ref().map(common::Value::from),
            unread,
        });
    }
}

fn bound(workspace: WorkspaceId, request: &wire::ListOverwrittenValuesRequest) -> Bound {
    let entries = request.entries.iter().map(|entry| (entry.lane_field.as_str(), entry.salesforce_field.as_str()));
    Bound::to(&(workspace.to_string(), request.kind, entries.collect::<Vec<_>>()))
}

impl Place {
    fn written(&self) -> String {
        format!("{}.{}", self.object.token(), self.after)
    }

    fn read(text: &str) -> Option<Self> {
        let (object, after) = text.split_once('.')?;
        Some(Self { object: Object::from_token(object)?, after: after.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { object: Object::Lead, after: "00QKd00000AbCdEFGH".to_owned() };
        assert_eq!(Place::read(&place.written()), Some(place));
        assert_eq!(Place::read("nonsense"), None);
    }
}

//! Lists of picklist values: the one place that searches them, orders them, and cuts them into pages that fit into a message.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use contract::common::v1 as common;
use contract::convert::{self, InvalidField};
use contract::mapper::v1 as wire;
use domain::{Kind, Object};
use mapping::{Decision, Namesakes};
use prost::Message;
use rust_decimal::Decimal;
use tonic::Status;

use crate::arr::{Customers, Sums};
use crate::paging::{self, Bound};
use crate::registry::{self, ListedValue};
use crate::rules::{self, Rules};
use crate::store::{self, Workspace};
use crate::times::to_wire_time;
use crate::value_mappings::{OfField, etag, option_field};
use crate::{Mapper, refusal};

/// Values asked for by id in one call.
const MAX_IDS: usize = 1_000;
/// A page ends before it is larger; a message holds twice as much.
const PAGE_BYTES: usize = 2 << 20;

impl Mapper {
    pub(crate) async fn list_value_mappings(
        &self,
        request: wire::ListValueMappingsRequest,
    ) -> Result<wire::ListValueMappingsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let (filter, cut) = (Filter::of(&request)?, Cut::of(&request)?);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let namesakes = Namesakes::of(&option_field(rules.kind(kind), &request.field)?.options);
        let decisions =
            rules::load_decisions(&mut tx, workspace, kind).await?.remove(&request.field).unwrap_or_default();
        let behind = self.behind(&mut tx, &known, kind, &rules).await?;
        let values = registry::values(&mut tx, workspace, kind, Some(&request.field)).await?;
        let is_of_interest =
            |value: &ListedValue| value.active || value.total() > 0 || decisions.contains_key(&value.value);
        let (mut all, mut found) = (wire::ValueCounts::default(), wire::ValueCounts::default());
        let mut values_by_option: HashMap<String, i64> = HashMap::new();
        let mut listed: Vec<Entry> = Vec::new();
        for value in values.into_iter().filter(is_of_interest) {
            let entry = Entry::of(value, &decisions, &namesakes);
            entry.count(&mut all);
            if let Some(Decision::Map(option)) = &entry.decision {
                *values_by_option.entry(option.clone()).or_default() += 1;
            }
            if filter.finds(&entry.value) {
                entry.count(&mut found);
                listed.extend(Some(entry).filter(|entry| filter.holds(entry)));
            }
        }
        listed.sort_by_cached_key(|entry| behind.order(entry));
        let total_size = i64::try_from(listed.len()).unwrap_or(i64::MAX);
        let entries = listed.into_iter().map(|entry| behind.to_wire(kind, entry));
        let (values, next_page_token) = cut.page(entries);
        let etag = etag(&decisions);
        let (all, found) = (Some(all), Some(found));
        Ok(wire::ListValueMappingsResponse { values, etag, next_page_token, total_size, all, found, values_by_option })
    }

    pub(crate) async fn list_unmapped_values(
        &self,
        request: wire::ListUnmappedValuesRequest,
    ) -> Result<wire::ListUnmappedValuesResponse, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let cut = Cut::new(Bound::to(&workspace), request.page_size, &request.page_token, 0)?;
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let (mut behind, mut open) = (Vec::new(), Vec::new());
        for (kind, place) in Kind::ALL.into_iter().zip(0..) {
            let values = registry::values(&mut tx, workspace, kind, None).await?;
            open.extend(values.into_iter().filter(|value| value.is_open(rules.kind(kind))).map(|value| (place, value)));
            behind.push((kind, self.behind(&mut tx, &known, kind, &rules).await?));
        }
        open.sort_by_key(|(_, value)| Reverse(value.total()));
        let mut namesakes: BTreeMap<(usize, String), Namesakes<'_>> = BTreeMap::new();
        let entries = open.into_iter().filter_map(|(place, value)| {
            let (kind, behind): &(Kind, Behind) = behind.get(place)?;
            let namesakes = namesakes.entry((place, value.field.clone())).or_insert_with(|| {
                let options = rules.kind(*kind).field(&value.field).map(|field| field.options.as_slice());
                Namesakes::of(options.unwrap_or_default())
            });
            Some(wire::UnmappedValueEntry {
                kind: common::RecordKind::from(*kind).into(),
                field: value.field.clone(),
                value: Some(behind.to_wire(*kind, Entry::of(value, &OfField::new(), namesakes))),
            })
        });
        let (values, next_page_token) = cut.page(entries);
        Ok(wire::ListUnmappedValuesResponse { values, next_page_token })
    }

    pub(crate) async fn count_unmapped_values(
        &self,
        request: wire::CountUnmappedValuesRequest,
    ) -> Result<wire::CountUnmappedValuesResponse, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut tx = self.snapshot(workspace).await?;
        store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let counts = registry::open_counts(&mut tx, workspace).await?;
        let field = |open: &registry::OpenCount| wire::UnmappedFieldCount {
            kind: Kind::from_token(&open.kind).map_or(0, |kind| common::RecordKind::from(kind).into()),
            field: open.field.clone(),
            count: open.count,
        };
        Ok(wire::CountUnmappedValuesResponse {
            count: counts.iter().map(|open| open.count).sum(),
            oldest_first_seen_time: counts.iter().filter_map(|open| open.oldest).min().map(to_wire_time),
            fields: counts.iter().map(field).collect(),
        })
    }

    /// Returns what stands behind the values of a kind.
    async fn behind(
        &self,
        conn: &mut sqlx::PgConnection,
        workspace: &Workspace,
        kind: Kind,
        rules: &Rules,
    ) -> Result<Behind, Status> {
        Ok(match kind {
            Kind::Account => Behind::Accounts(self.arr_by_value(conn, workspace.id, workspace.epoch, rules).await?),
            Kind::Contact => Behind::People(self.customers_by_value(conn, workspace.id, workspace.epoch, rules).await?),
        })
    }
}

/// Which values a caller wants.
#[derive(Clone, Debug)]
struct Filter {
    /// In lower case; empty: any.
    search: String,
    decision: wire::ValueDecision,
    /// `None`: any.
    ids: Option<HashSet<String>>,
    has_namesake: bool,
}

impl Filter {
    fn of(request: &wire::ListValueMappingsRequest) -> Result<Self, InvalidField> {
        if request.ids.len() > MAX_IDS {
            return Err(InvalidField { field: "ids", problem: "are more than 1000" });
        }
        let decision = wire::ValueDecision::try_from(request.decision);
        Ok(Self {
            search: request.search.trim().to_lowercase(),
            decision: decision.map_err(|_| InvalidField { field: "decision", problem: "is not one of ours" })?,
            ids: Some(request.ids.iter().cloned().collect()).filter(|ids: &HashSet<String>| !ids.is_empty()),
            has_namesake: request.has_namesake,
        })
    }

    fn finds(&self, value: &ListedValue) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.search);
        self.search.is_empty() || has(&value.value) || has(&value.label)
    }

    fn holds(&self, entry: &Entry) -> bool {
        let is_decided_so = self.decision == wire::ValueDecision::Unspecified || self.decision == entry.decided();
        let is_named = self.ids.as_ref().is_none_or(|ids| ids.contains(&entry.value.id.to_string()));
        is_decided_so && is_named && (!self.has_namesake || entry.is_namesake())
    }
}

/// Where a page begins and how long it is.
#[derive(Clone, Copy, Debug)]
struct Cut {
    bound: Bound,
    from: usize,
    size: usize,
}

impl Cut {
    fn of(request: &wire::ListValueMappingsRequest) -> Result<Self, InvalidField> {
        let other =
            wire::ListValueMappingsRequest { page_size: 0, page_token: String::new(), skip: 0, ..request.clone() };
        Self::new(Bound::to(&other), request.page_size, &request.page_token, request.skip)
    }

    fn new(bound: Bound, size: i32, token: &str, skip: i32) -> Result<Self, InvalidField> {
        let from = match token {
            "" => 0,
            token => bound.place(token, |place| place.parse().ok())?,
        };
        let skip = usize::try_from(skip).map_err(|_| InvalidField { field: "skip", problem: "is negative" })?;
        Ok(Self {
            bound,
            from: skip.saturating_add(from),
            size: usize::try_from(paging::size(size)?).unwrap_or_default(),
        })
    }

    /// Takes the page out of the whole list, and says where the next one begins.
    fn page<M: Message>(self, entries: impl Iterator<Item = M>) -> (Vec<M>, String) {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for entry in entries.skip(self.from) {
            bytes += entry.encoded_len();
            if page.len() == self.size || (bytes > PAGE_BYTES && !page.is_empty()) {
                let next = self.bound.token(&(self.from + page.len()).to_string());
                return (page, next);
            }
            page.push(entry);
        }
        (page, String::new())
    }
}

/// A value with what was decided.
#[derive(Clone, Debug)]
struct Entry {
    value: ListedValue,
    decision: Option<Decision>,
    /// Key of the option that is called the same; empty when none is.
    suggested: String,
}

impl Entry {
    fn of(value: ListedValue, decisions: &OfField, namesakes: &Namesakes<'_>) -> Self {
        let suggested = namesakes.find(&value.value, &value.label).map(|option| option.key.clone());
        Self { decision: decisions.get(&value.value).cloned(), suggested: suggested.unwrap_or_default(), value }
    }

    fn decided(&self) -> wire::ValueDecision {
        match self.decision {
            None => wire::ValueDecision::Open,
            Some(Decision::Map(_)) => wire::ValueDecision::Map,
            Some(Decision::Ignore) => wire::ValueDecision::Ignore,
        }
    }

    fn is_namesake(&self) -> bool {
        self.decision.is_none() && !self.suggested.is_empty()
    }

    fn count(&self, counts: &mut wire::ValueCounts) {
        match self.decision {
            None => counts.open += 1,
            Some(Decision::Map(_)) => counts.mapped += 1,
            Some(Decision::Ignore) => counts.ignored += 1,
        }
        counts.namesakes += i64::from(self.is_namesake());
    }
}

/// What stands behind the values of a kind, besides the records that carry them.
enum Behind {
    /// The revenue of accounts: an account is a customer itself.
    Accounts(Arc<Sums>),
    /// The customers of people.
    People(Arc<Customers>),
}

impl Behind {
    /// Returns the revenue and the customers behind a value.
    fn of(&self, value: &ListedValue) -> (Option<&BTreeMap<String, Decimal>>, i64) {
        let key = || (value.field.clone(), value.value.clone());
        match self {
            Self::Accounts(sums) if sums.is_empty() => (None, value.total()),
            Self::Accounts(sums) => (sums.get(&key()), value.total()),
            Self::People(customers) if customers.is_empty() => (None, 0),
            Self::People(customers) => (None, customers.get(&key()).copied().unwrap_or_default()),
        }
    }

    /// Open ones first, then by revenue, by customers, by records. Currencies are not converted, here as anywhere.
    fn order(&self, entry: &Entry) -> (bool, Reverse<(Decimal, i64, i64)>, String) {
        let (arr, customers) = self.of(&entry.value);
        let arr = arr.and_then(|sums| sums.values().max().copied()).unwrap_or_default();
        (entry.decision.is_some(), Reverse((arr, customers, entry.value.total())), entry.value.value.clone())
    }

    fn to_wire(&self, kind: Kind, entry: Entry) -> wire::ValueMapping {
        let decision = entry.decided();
        let Entry { value, decision: decided, suggested } = entry;
        let is_origin = |object: &Object| {
            let carried = match object {
                Object::Lead => value.lead_records,
                Object::Account | Object::Contact => value.records,
            };
            value.listed_on.iter().any(|token| token == object.token()) || carried > 0
        };
        let (arr, customer_count) = self.of(&value);
        let arr = arr.into_iter().flatten();
        let money = |(code, amount): (&String, &Decimal)| common::Money {
            amount: amount.to_string(),
            currency_code: code.clone(),
        };
        wire::ValueMapping {
            id: value.id.to_string(),
            decision: decision.into(),
            option: match decided {
                Some(Decision::Map(option)) => option,
                Some(Decision::Ignore) | None => String::new(),
            },
            origins: kind
                .objects()
                .iter()
                .filter(|object| is_origin(object))
                .map(|object| common::SalesforceObject::from(*object).into())
                .collect(),
            active: value.active,
            record_count: value.total(),
            first_seen_time: value.first_seen.map(to_wire_time),
            last_seen_time: value.last_seen.map(to_wire_time),
            arr: arr.map(money).collect(),
            lead_record_count: value.lead_records,
            never_used: value.total() == 0 && value.last_seen.is_none(),
            suggested_option: suggested,
            customer_count,
            label: value.label,
            value: value.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str, label: &str) -> Entry {
        let value = ListedValue {
            field: "tier".into(),
            value: value.into(),
            id: uuid::Uuid::nil(),
            label: label.into(),
            listed_on: Vec::new(),
            active: true,
            records: 0,
            lead_records: 0,
            first_seen: None,
            last_seen: None,
        };
        Entry { value, decision: None, suggested: String::new() }
    }

    #[test]
    fn search_looks_at_value_and_label_in_any_case() {
        let entry = entry("T1", "Mittelstand ÄÖ");
        let finds = |search: &str| {
            let request = wire::ListValueMappingsRequest { search: search.into(), ..Default::default() };
            Filter::of(&request).unwrap().finds(&entry.value)
        };
        assert!(finds("t1") && finds(" äö ") && finds("") && !finds("t2"));
    }

    #[test]
    fn values_come_by_revenue_then_by_customers_and_decided_ones_last() {
        let carried = |text: &str, records: i64, decision: Option<Decision>| {
            let known = entry(text, text);
            Entry { value: ListedValue { records, ..known.value }, decision, ..known }
        };
        let worth = |amount: i64| BTreeMap::from([("EUR".to_owned(), Decimal::from(amount))]);
        let key = |text: &str| ("tier".to_owned(), text.to_owned());
        let sums = Sums::from([(key("nine"), worth(900)), (key("ten"), worth(1_000)), (key("done"), worth(9_999))]);
        let behind = Behind::Accounts(Arc::new(sums));
        let mut entries = [
            carried("few", 2, None),
            carried("done", 1, Some(Decision::Ignore)),
            carried("nine", 1, None),
            carried("many", 9, None),
            carried("ten", 1, None),
        ];
        entries.sort_by_cached_key(|entry| behind.order(entry));
        assert_eq!(entries.map(|entry| entry.value.value), ["ten", "nine", "many", "few", "done"]);
    }

    #[test]
    fn a_page_ends_by_number_or_by_bytes_and_the_next_one_goes_on() {
        let values = |length: usize| {
            (0..5).map(move |at| wire::ValueMapping {
                value: format!("{at}{}", "x".repeat(length)),
                ..Default::default()
            })
        };
        let bound = Bound::to(&"tier");
        let (first, token) = Cut::new(bound, 2, "", 0).unwrap().page(values(1));
        let (second, _) = Cut::new(bound, 2, &token, 0).unwrap().page(values(1));
        let (last, end) = Cut::new(bound, 2, "", 4).unwrap().page(values(1));
        assert_eq!((first.len(), second[0].value.as_str(), last.len(), end.as_str()), (2, "2x", 1, ""));
        let (large, token) = Cut::new(bound, 1_000, "", 0).unwrap().page(values(PAGE_BYTES / 2));
        assert_eq!((large.len(), token), (1, bound.token("1")));
        let (huge, token) = Cut::new(bound, 1_000, "", 0).unwrap().page(values(2 * PAGE_BYTES));
        assert_eq!((huge.len(), token), (1, bound.token("1")), "an answer that is never empty comes to an end");
    }
}

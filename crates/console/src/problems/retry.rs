//! Reads parked records from Salesforce once more: those ticked, or all of a group.

use axum::Form;
use contract::common::v1::SalesforceObject;
use contract::error::Reason;
use contract::extractor::v1::RefetchRecordsRequest;
use contract::writer::v1::{ParkedRecord, RequeueParkedRecordsRequest};

use super::{OBJECTS, Place, list};
use crate::peers::{ACTION, Answer, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Notice, Outcome, Visit, see};

/// Records that one press reads again; also what one refetch takes.
const AT_ONCE: usize = 10_000;
/// Records asked for in one answer.
const PAGE_SIZE: i32 = 1_000;

/// The form as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    place: Place,
    /// Whether all of the group are meant, whatever is ticked.
    takes_all: bool,
    /// Whether the page of the group is shown next, else that of all problems.
    from_list: bool,
    ids: Vec<String>,
}

impl Wish {
    fn read(pairs: &[(String, String)]) -> Self {
        let mut wish = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "code" => wish.place.code.clone_from(value),
                "object" => wish.place.object.clone_from(value),
                "field" => wish.place.field.clone_from(value),
                "after" => wish.place.after.clone_from(value),
                "pick" => wish.ids.push(value.clone()),
                "do" => wish.takes_all = value == "all",
                "from" => wish.from_list = value == "list",
                _ => {}
            }
        }
        wish
    }
}

pub(super) async fn retry(visit: Visit, Form(pairs): Form<Vec<(String, String)>>) -> Outcome {
    let wish = Wish::read(&pairs);
    let marked = mark(&visit, &wish).await.map_err(|trouble| visit.refuse(&trouble))?;
    let mut asked = 0;
    for (object, ids) in by_object(&marked) {
        asked += ids.len();
        for ids in ids.chunks(AT_ONCE) {
            refetch(&visit, object, ids.to_vec()).await.map_err(|trouble| visit.refuse(&trouble))?;
        }
    }
    let nameless = marked.iter().filter(|record| record.id.is_empty()).count();
    let told = Place { asked: asked.to_string(), nameless: nameless.to_string(), ..Place::default() };
    let next = match wish.from_list {
        true => Place { asked: told.asked, nameless: told.nameless, ..wish.place }.href("/records"),
        false => told.href(""),
    };
    Ok(see(&next, Some(Notice::Retried)))
}

/// Marks the records and returns them. Both steps of a retry may be repeated.
async fn mark(visit: &Visit, wish: &Wish) -> Answer<Vec<ParkedRecord>> {
    let ids = match (wish.takes_all, wish.ids.is_empty()) {
        (true, _) => first_waiting(visit, &wish.place).await?,
        (false, false) => wish.ids.clone(),
        (false, true) => {
            let title = "Tick the records first";
            return Err(Trouble::new(Reason::ArgumentInvalid, title, "Nothing is asked for again.")
                .advise("Go back and tick each record that is to be read again, or retry all."));
        }
    };
    let request = RequeueParkedRecordsRequest {
        workspace_id: visit.workspace(),
        object: SalesforceObject::Unspecified.into(),
        ids,
        group: wish.place.key(),
    };
    Ok(ask(Party::Writer, ACTION, visit.peers().parked().requeue_parked_records(request)).await?.records)
}

/// Returns the ids to name when a group has more records than one press reads again: the newest that were not asked for yet.
/// Empty: no need to name any, all are meant.
async fn first_waiting(visit: &Visit, place: &Place) -> Answer<Vec<String>> {
    let (mut after, mut seen, mut waiting) = (String::new(), 0, Vec::new());
    loop {
        let listed = list(visit, place, PAGE_SIZE, &after).await?;
        seen += listed.records.len();
        waiting.extend(
            listed
                .records
                .into_iter()
                .filter(|record| record.requeue_time.is_none() && !record.id.is_empty())
                .map(|record| record.id),
        );
        after = listed.next_page_token;
        let is_full = waiting.len() >= AT_ONCE;
        if is_full || after.is_empty() {
            waiting.truncate(AT_ONCE);
            // Few enough to name none; that takes those without a usable id along.
            return Ok(if seen <= AT_ONCE && after.is_empty() { Vec::new() } else { waiting });
        }
    }
}

async fn refetch(visit: &Visit, object: SalesforceObject, ids: Vec<String>) -> Answer<()> {
    let request = RefetchRecordsRequest { workspace_id: visit.workspace(), object: object.into(), ids };
    ask(Party::Extractor, ACTION, visit.peers().syncs().refetch_records(request)).await?;
    Ok(())
}

/// Returns the ids of each object, each once; a record without a usable id can't be read by it.
fn by_object(records: &[ParkedRecord]) -> Vec<(SalesforceObject, Vec<String>)> {
    let ids_of = |object: SalesforceObject| {
        let of_object = records.iter().filter(|record| record.object() == object && !record.id.is_empty());
        let mut ids: Vec<_> = of_object.map(|record| record.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        (object, ids)
    };
    OBJECTS.iter().map(|(_, object)| ids_of(*object)).filter(|(_, ids)| !ids.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_again_per_object_once_and_only_with_an_id() {
        let record = |object: SalesforceObject, id: &str| ParkedRecord {
            object: object.into(),
            id: id.into(),
            ..Default::default()
        };
        let records = [
            record(SalesforceObject::Lead, "l1"),
            record(SalesforceObject::Account, "a2"),
            record(SalesforceObject::Account, "a1"),
            record(SalesforceObject::Account, "a2"),
            record(SalesforceObject::Contact, ""),
        ];
        let expected = [
            (SalesforceObject::Account, vec!["a1".to_owned(), "a2".to_owned()]),
            (SalesforceObject::Lead, vec!["l1".to_owned()]),
        ];
        assert_eq!(by_object(&records), expected);
    }

    #[test]
    fn a_form_names_a_group_and_what_of_it() {
        let pairs = [
            ("code", "c"),
            ("object", "lead"),
            ("field", "F"),
            ("pick", "1"),
            ("pick", "2"),
            ("do", "ticked"),
            ("from", "list"),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let wish = Wish::read(&pairs);
        assert_eq!(wish.ids, ["1", "2"]);
        assert!(wish.from_list && !wish.takes_all && wish.place.key().is_some());
    }
}

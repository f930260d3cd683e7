//! From the services' answers to what the pages of problems say.

use contract::common::v1::SalesforceObject;
use contract::extractor::v1::SyncStatus;
use contract::mapper::v1::FieldMapping;
use contract::parking;
use contract::writer::v1::{Fixer, ListParkedRecordsResponse, ParkedGroup, ParkedGroupKey, ParkedRecord};
use jiff::Timestamp;

use super::faults::{self, Fault, LANE_ADMIN, NOBODY, SALESFORCE_ADMIN, fed_by};
use super::{Answers, Place};
use crate::moment::Moment;
use crate::trouble::Trouble;
use crate::web::ROOT;
use crate::words::{count, number, object, record};

/// The page of all problems.
#[derive(Clone, Debug)]
pub(super) struct ProblemsPage {
    /// Whether nothing is wrong, as far as could be asked.
    pub(super) is_well: bool,
    pub(super) said: String,
    pub(super) faults: Vec<Fault>,
    pub(super) groups: Vec<Group>,
    pub(super) parked: String,
    /// Why parked records can't be shown.
    pub(super) trouble: Option<Trouble>,
    pub(super) checks: Vec<Check>,
    pub(super) now: Moment,
    pub(super) download: String,
}

/// Something that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) result: String,
}

/// Records that were set aside for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) remedy: String,
    pub(super) who: &'static str,
    pub(super) key: Place,
    /// "3 accounts, field ARR__c".
    pub(super) what: String,
    pub(super) count: String,
    pub(super) requeued: String,
    pub(super) oldest: Option<Moment>,
    pub(super) newest: Option<Moment>,
    pub(super) examples: Vec<Example>,
    pub(super) list: String,
    pub(super) download: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    /// Empty when the record has no usable id.
    pub(super) id: String,
    /// What its row in Lane is called; empty when Lane never held it.
    pub(super) name: String,
    pub(super) object: &'static str,
    /// Address in Salesforce; empty when unknown.
    pub(super) salesforce: String,
    /// Address in Lane; empty when unknown.
    pub(super) lane: String,
    /// Where the story of the field is told that is at fault; empty when it is no field of Lane.
    pub(super) story: String,
    pub(super) run: String,
    pub(super) parked: Option<Moment>,
    pub(super) requeued: Option<Moment>,
}

/// The page of one group's records.
#[derive(Clone, Debug)]
pub(super) struct RecordsPage {
    pub(super) title: String,
    pub(super) remedy: &'static str,
    pub(super) who: &'static str,
    pub(super) key: Place,
    pub(super) said: String,
    pub(super) rows: Vec<Example>,
    pub(super) is_first: bool,
    pub(super) first: String,
    pub(super) next: String,
    pub(super) download: String,
}

/// Builds the page of all problems.
pub(super) fn view(answers: &Answers, place: &Place, now: Timestamp) -> ProblemsPage {
    let groups = answers.groups.as_ref().map(|answer| answer.groups.as_slice()).unwrap_or_default();
    let faults = faults::faults(answers, now);
    let parked: i64 = groups.iter().map(|group| group.count).sum();
    let knows_all = answers.groups.is_ok() && answers.ground.status.is_ok();
    ProblemsPage {
        is_well: knows_all && faults.is_empty() && groups.is_empty(),
        said: said(place),
        checks: checks(answers, parked, now),
        groups: groups.iter().map(|one| group(one, &faults::known(&answers.mappings), now)).collect(),
        parked: count(parked, "record was", "records were"),
        trouble: answers.groups.as_ref().err().cloned(),
        faults,
        now: Moment::new(now, now),
        download: Place::default().href("/records.csv"),
    }
}

/// Tells what the last retry did, from the numbers in the address.
fn said(place: &Place) -> String {
    let Ok(asked) = place.asked.parse::<u32>() else { return String::new() };
    let again = if asked == 1 { "is" } else { "are" };
    let mut text = format!(
        "{} {again} asked for again. What is mended leaves this list as soon as it is read and applied.",
        count(asked.into(), "record", "records")
    );
    if let Some(nameless) = place.nameless.parse::<u32>().ok().filter(|nameless| *nameless > 0) {
        let part = count(nameless.into(), "one part of a page has", "parts of pages have");
        text.push_str(&format!(" {part} no usable id: a re-sync of everything brings what is in it."));
    }
    text
}

fn group(group: &ParkedGroup, mappings: &[&FieldMapping], now: Timestamp) -> Group {
    let key = group.key.clone().unwrap_or_default();
    let place = Place::of(&key);
    Group {
        title: group.title.clone(),
        remedy: group.remedy.clone(),
        who: who(group.fixer()),
        what: what(&key),
        count: number(group.count),
        requeued: if group.requeued > 0 { number(group.requeued) } else { String::new() },
        oldest: Moment::of(group.oldest_park_time.as_ref(), now),
        newest: Moment::of(group.newest_park_time.as_ref(), now),
        examples: group.samples.iter().map(|record| example(record, mappings, now)).collect(),
        list: place.href("/records"),
        download: place.href("/records.csv"),
        key: place,
    }
}

fn what(key: &ParkedGroupKey) -> String {
    match key.field.as_str() {
        "" => object(key.object()).to_owned(),
        field => format!("{}, field {field}", object(key.object())),
    }
}

/// Says who can mend it. Without a wildcard: a new one must choose.
pub(super) fn who(fixer: Fixer) -> &'static str {
    match fixer {
        Fixer::SalesforceUser => "Whoever edits the record in Salesforce",
        Fixer::SalesforceAdmin => SALESFORCE_ADMIN,
        Fixer::WorkspaceAdmin => LANE_ADMIN,
        Fixer::Support => "Nobody at your side: retry, then tell support",
        Fixer::Unspecified => NOBODY,
    }
}

fn example(parked: &ParkedRecord, mappings: &[&FieldMapping], now: Timestamp) -> Example {
    // Whatever else it were, it would be no link to a record.
    let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
    Example {
        story: story(parked, mappings),
        lane: in_lane(parked),
        object: record(parked.object()),
        salesforce: Some(&parked.url).filter(is_web).cloned().unwrap_or_default(),
        run: if parked.run_id.is_empty() { String::new() } else { format!("{ROOT}/runs/{}", parked.run_id) },
        parked: Moment::of(parked.park_time.as_ref(), now),
        requeued: Moment::of(parked.requeue_time.as_ref(), now),
        id: parked.id.clone(),
        name: parked.name.clone(),
    }
}

/// Returns where the row of a record is in Lane: its page takes the Salesforce id too.
fn in_lane(parked: &ParkedRecord) -> String {
    let list = match parked.object() {
        SalesforceObject::Account | SalesforceObject::Unspecified => "customers",
        SalesforceObject::Contact | SalesforceObject::Lead => "contacts",
    };
    if parked.id.is_empty() { String::new() } else { format!("{ROOT}/{list}/{}", parked.id) }
}

fn story(parked: &ParkedRecord, mappings: &[&FieldMapping]) -> String {
    // The field is Lane's own, whose ids have a form of theirs, or Salesforce's, which feeds one of Lane.
    let own = Some(parked.field.as_str()).filter(|field| field.parse::<domain::FieldId>().is_ok());
    let field = own.or_else(|| fed_by(mappings, parked.object(), &parked.field));
    match field {
        Some(field) if !parked.id.is_empty() => format!("{}/why/{field}", in_lane(parked)),
        _ => String::new(),
    }
}

/// Builds the page of one group's records, or of all.
pub(super) fn records(
    listed: &ListParkedRecordsResponse,
    mappings: &[&FieldMapping],
    place: &Place,
    now: Timestamp,
) -> RecordsPage {
    let key = place.key();
    let advice = parking::advice(&place.code);
    let group = Place { after: String::new(), asked: String::new(), nameless: String::new(), ..place.clone() };
    RecordsPage {
        title: key
            .as_ref()
            .map_or_else(|| "All records set aside".to_owned(), |key| format!("{}: {}", advice.title, what(key))),
        remedy: if key.is_some() {
            advice.remedy
        } else {
            "Each has its own reason; the page of problems groups them."
        },
        who: if key.is_some() { who(advice.fixer) } else { "" },
        said: said(place),
        rows: listed.records.iter().map(|record| example(record, mappings, now)).collect(),
        is_first: place.after.is_empty(),
        first: group.href("/records"),
        next: match listed.next_page_token.as_str() {
            "" => String::new(),
            token => Place { after: token.to_owned(), ..group.clone() }.href("/records"),
        },
        download: group.href("/records.csv"),
        key: group,
    }
}

/// What was looked at; with the time it is what "no problems" means.
fn checks(answers: &Answers, parked: i64, now: Timestamp) -> Vec<Check> {
    let unknown = || "not known right now".to_owned();
    let status = answers.ground.status.as_ref().ok();
    let told = |of: &dyn Fn(&SyncStatus) -> String| status.map_or_else(unknown, of);
    let broken = |status: &SyncStatus| {
        let reasons =
            status.coverage.iter().filter_map(|coverage| coverage.paused_reason.strip_prefix("mapping_broken:"));
        i64::try_from(reasons.flat_map(|fields| fields.split(',')).count()).unwrap_or(i64::MAX)
    };
    let mapped: Option<usize> =
        answers.mappings.iter().map(|mapping| mapping.as_ref().ok().map(|mapping| mapping.entries.len())).sum();
    let mapped = mapped.map_or_else(unknown, |mapped| number(i64::try_from(mapped).unwrap_or(i64::MAX)));
    vec![
        Check { what: "Records set aside", result: if answers.groups.is_ok() { number(parked) } else { unknown() } },
        Check {
            what: "Mapped fields that can’t be read",
            result: told(&|status| format!("{} of {mapped}", number(broken(status)))),
        },
        Check {
            what: "Records that can’t be seen any more",
            result: told(&|status| number(status.not_visible_records)),
        },
        Check { what: "Values without a mapping", result: told(&|status| number(status.unmapped_values)) },
        Check {
            what: "Everything read was last applied",
            result: told(&|status| {
                Moment::of(status.last_success_time.as_ref(), now)
                    .map_or_else(|| "not yet".to_owned(), |at| at.distance)
            }),
        },
    ]
}

#[cfg(test)]
mod tests {
    use contract::common::v1::RecordKind;
    use contract::mapper::v1::FieldMappingEntry;

    use super::*;

    fn parked(url: &str) -> ParkedRecord {
        ParkedRecord {
            object: SalesforceObject::Lead.into(),
            id: "00Q000000000001AAA".into(),
            code: "text_too_long".into(),
            url: url.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_group_says_reason_remedy_and_who() {
        let key = ParkedGroupKey {
            code: "number_out_of_range".into(),
            object: SalesforceObject::Account.into(),
            field: "ARR__c".into(),
        };
        let sent = ParkedGroup {
            key: Some(key),
            title: "A number is too large".into(),
            fixer: Fixer::SalesforceUser.into(),
            count: 1_200,
            ..Default::default()
        };
        let shown = group(&sent, &[], Timestamp::UNIX_EPOCH);
        assert_eq!((shown.what.as_str(), shown.count.as_str()), ("Accounts, field ARR__c", "1,200"));
        assert_eq!(shown.who, "Whoever edits the record in Salesforce");
        assert_eq!(
            shown.list,
            "/integrations/salesforce/problems/records?code=number_out_of_range&object=account&field=ARR__c"
        );
        assert_eq!(shown.key.key(), sent.key, "the address leads back to the group");
    }

    #[test]
    fn a_record_leads_to_its_row_and_to_the_story_of_a_field_of_lane() {
        let entry = FieldMappingEntry { lane_field: "email".into(), lead_field: "Email".into(), ..Default::default() };
        let mapping = FieldMapping { kind: RecordKind::Contact.into(), entries: vec![entry], ..Default::default() };
        let of = |field: &str| story(&ParkedRecord { field: field.into(), ..parked("") }, &[&mapping]);
        assert_eq!(in_lane(&parked("")), "/integrations/salesforce/contacts/00Q000000000001AAA");
        assert_eq!(of("Email"), "/integrations/salesforce/contacts/00Q000000000001AAA/why/email");
        assert_eq!(of("name"), "/integrations/salesforce/contacts/00Q000000000001AAA/why/name");
        assert_eq!((of("Other__c"), of("")), (String::new(), String::new()));
    }

    #[test]
    fn only_web_addresses_become_links() {
        let of = |url: &str| example(&parked(url), &[], Timestamp::UNIX_EPOCH).salesforce;
        assert_eq!(of("https://a.my.salesforce.com/00Q"), "https://a.my.salesforce.com/00Q");
        assert_eq!(of("javascript:alert(1)"), "");
    }

    #[test]
    fn a_retry_is_told_with_its_number_and_nothing_else_is() {
        let place = Place { asked: "2".into(), nameless: "1".into(), ..Place::default() };
        assert!(said(&place).starts_with("2 records are asked for again."), "{}", said(&place));
        assert!(said(&place).contains("no usable id"));
        assert_eq!(said(&Place { asked: "<b>".into(), ..Place::default() }), "");
    }

    #[test]
    fn the_records_of_a_group_page_on() {
        let place =
            Place { code: "text_too_long".into(), object: "lead".into(), asked: "3".into(), ..Place::default() };
        let listed = ListParkedRecordsResponse { records: vec![parked("")], next_page_token: "t+1".into() };
        let page = records(&listed, &[], &place, Timestamp::UNIX_EPOCH);
        assert_eq!(page.title, "A text is too long: Leads");
        assert!(page.next.ends_with("code=text_too_long&object=lead&after=t%2B1"), "{}", page.next);
        assert!(page.is_first && page.rows[0].salesforce.is_empty());
    }
}

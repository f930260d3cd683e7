//! Problems that are not records: what the status of the sync says stands in its way.

use contract::common::v1::{RecordKind, SalesforceObject};
use contract::extractor::v1::{ObjectCoverage, RunPhase, SyncState, SyncStatus};
use contract::mapper::v1::{FieldMapping, FieldMappingEntry};
use jiff::Timestamp;

use super::Answers;
use crate::moment::Moment;
use crate::peers::Answer;
use crate::runs;
use crate::web::ROOT;
use crate::words::{count, object, record};

/// Something that stands in the way, who can mend it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) remedy: String,
    pub(super) who: &'static str,
    pub(super) since: Option<Moment>,
    /// Label and address; an empty label: there is nothing to do.
    pub(super) label: &'static str,
    pub(super) href: String,
}

pub(super) const SALESFORCE_ADMIN: &str = "An admin of Salesforce";
pub(super) const LANE_ADMIN: &str = "An admin of this workspace in Lane";
pub(super) const NOBODY: &str = "Nobody: Lane tries again by itself";

/// Returns what stands in the way of the sync, the gravest first.
pub(super) fn faults(answers: &Answers, now: Timestamp) -> Vec<Fault> {
    let Ok(status) = &answers.ground.status else { return Vec::new() };
    let mappings = known(&answers.mappings);
    let mut faults = Vec::new();
    faults.extend(connection(status, now));
    faults.extend(status.coverage.iter().flat_map(|coverage| of_object(coverage, &mappings)));
    faults.extend(last_run(status, now));
    faults.extend(status.reasons.iter().filter_map(|reason| of_reason(reason)));
    if status.not_visible_records > 0 {
        faults.push(hidden(status.not_visible_records));
    }
    if status.unmapped_values > 0 {
        faults.push(open_values(status.unmapped_values));
    }
    faults
}

fn fault(title: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>, who: &'static str) -> Fault {
    Fault {
        tone: "attention",
        icon: "attention",
        title: title.into(),
        text: text.into(),
        remedy: remedy.into(),
        who,
        since: None,
        label: "",
        href: String::new(),
    }
}

impl Fault {
    fn led(self, label: &'static str, path: &str) -> Self {
        Self { label, href: format!("{ROOT}{path}"), ..self }
    }

    fn waiting(self) -> Self {
        Self { tone: "wait", icon: "wait", ..self }
    }
}

fn connection(status: &SyncStatus, now: Timestamp) -> Option<Fault> {
    let since = Moment::of(status.state_since.as_ref(), now);
    let found = match status.state() {
        SyncState::AuthRevoked => Fault {
            tone: "bad",
            icon: "stop",
            ..fault(
                "Salesforce access was revoked",
                "Salesforce refuses Lane’s access, so no change arrives. Nothing was deleted.",
                "Connect the same org again; the sync goes on where it stopped.",
                LANE_ADMIN,
            )
        }
        .led("Reconnect", "/connect"),
        SyncState::QuotaExhausted => {
            let until = Moment::of(status.wait_until_time.as_ref(), now);
            let text = until.map_or_else(String::new, |at| format!(" It resumes {}.", at.distance));
            let own = status.own_calls_limit.is_some_and(|share| status.api_calls_used >= share);
            let (whose, remedy, who) = if own {
                ("Lane’s share of the org’s calls is", "Wait, or give Lane a larger share.", LANE_ADMIN)
            } else {
                ("The calls for now are", "Nothing to do: it goes on by itself when calls are free again.", NOBODY)
            };
            let waits = fault("Paused: Salesforce API limit", format!("{whose} used up.{text}"), remedy, who).waiting();
            if own { waits.led("Change budget", "/settings#budget") } else { waits.led("See the calls", "") }
        }
        SyncState::Unspecified
        | SyncState::PlanRequired
        | SyncState::NotConnected
        | SyncState::Disconnected
        | SyncState::Connecting
        | SyncState::FirstSync
        | SyncState::Degraded
        | SyncState::Healthy => return None,
    };
    Some(Fault { since, ..found })
}

/// Says why an object, or fields of it, can't be read.
fn of_object(coverage: &ObjectCoverage, mappings: &[&FieldMapping]) -> Vec<Fault> {
    let (name, of) = (object(coverage.object()), record(coverage.object()));
    if let Some(fields) = coverage.paused_reason.strip_prefix("mapping_broken:") {
        return fields.split(',').map(|path| broken_field(coverage, path, mappings)).collect();
    }
    let found = match coverage.paused_reason.as_str() {
        "" => return Vec::new(),
        "object_not_visible" => fault(
            format!("{name} are hidden from Lane"),
            format!(
                "The Salesforce user of this connection may not see the object {of}. What was read stays as it is."
            ),
            format!("Give the user “View All” or read access to {of} in Salesforce; reading goes on by itself."),
            SALESFORCE_ADMIN,
        )
        .led("Check access", "/connect"),
        "cancelled" => fault(
            format!("{name} were not read to the end"),
            "The last run over them was cancelled.",
            "Start a re-sync.",
            LANE_ADMIN,
        )
        .led("Re-sync", "/resync"),
        reason => {
            let (title, remedy) = runs::why(reason);
            fault(format!("{name} are paused"), format!("{title}."), remedy, NOBODY).waiting().led("See runs", "/runs")
        }
    };
    vec![found]
}

/// Returns the mappings that were told.
pub(super) fn known(mappings: &[Answer<FieldMapping>; 2]) -> Vec<&FieldMapping> {
    mappings.iter().filter_map(|mapping| mapping.as_ref().ok()).collect()
}

/// Returns the Lane field that a field of an object feeds.
pub(super) fn fed_by<'m>(mappings: &[&'m FieldMapping], object: SalesforceObject, path: &str) -> Option<&'m str> {
    let kind = match object {
        SalesforceObject::Contact | SalesforceObject::Lead => RecordKind::Contact,
        SalesforceObject::Account | SalesforceObject::Unspecified => RecordKind::Account,
    };
    // Fields that leads do not feed have an empty path: it is no field.
    let is_it = |entry: &&FieldMappingEntry| match object {
        SalesforceObject::Lead => !path.is_empty() && entry.lead_field == path,
        _ => entry.salesforce_field == path,
    };
    let mapping = mappings.iter().find(|mapping| mapping.kind() == kind)?;
    mapping.entries.iter().find(is_it).map(|entry| entry.lane_field.as_str())
}

/// A mapped field that Salesforce does not know, or does not show.
fn broken_field(coverage: &ObjectCoverage, path: &str, mappings: &[&FieldMapping]) -> Fault {
    let tab = match coverage.object() {
        SalesforceObject::Contact | SalesforceObject::Lead => "people",
        SalesforceObject::Account | SalesforceObject::Unspecified => "accounts",
    };
    let lane_field = fed_by(mappings, coverage.object(), path);
    let fed = lane_field.map_or_else(String::new, |field| format!(" It feeds {field} in Lane."));
    let row = lane_field.map_or_else(String::new, |field| format!("#row-{field}"));
    fault(
        format!("{}.{path} can’t be read any more", record(coverage.object())),
        format!("Salesforce has no such field now, or hides it from Lane’s user.{fed} The values that were read stay."),
        "Let the Salesforce user read the field, or map another one.",
        "An admin of Salesforce, or an admin of this workspace",
    )
    .led("Open the mapping", &format!("/mapping/{tab}{row}"))
}

fn last_run(status: &SyncStatus, now: Timestamp) -> Option<Fault> {
    let run = status.run.as_ref().filter(|run| run.phase() == RunPhase::Failed)?;
    let (title, remedy) = runs::why(&run.reason);
    let text = if title.is_empty() { String::new() } else { format!("{title}.") };
    let since = Moment::of(run.end_time.as_ref(), now);
    let found = fault(format!("The last run failed: {}", runs::title(run)), text, remedy, NOBODY);
    Some(Fault { since, ..found }.led("See the run", &format!("/runs/{}", run.run_id)))
}

/// Says what a reason of the status means that nothing else here tells.
fn of_reason(reason: &str) -> Option<Fault> {
    let found = match reason {
        "needs_look" => fault(
            "Many records vanished",
            "The last full compare missed more records than is safe to archive, so none was.",
            "Check what the Salesforce user may see, then compare everything again.",
            SALESFORCE_ADMIN,
        )
        .led("Re-sync", "/resync"),
        "salesforce_unavailable" => fault(
            "Salesforce is not answering",
            "It has not answered for a quarter of an hour.",
            "Nothing to do: it is tried again by itself.",
            NOBODY,
        )
        .waiting()
        .led("See runs", "/runs"),
        "late" => fault(
            "Changes arrive later than promised",
            "The sync is behind.",
            "Nothing to do: it catches up by itself.",
            NOBODY,
        )
        .waiting()
        .led("See runs", "/runs"),
        _ => return None,
    };
    Some(found)
}

fn hidden(records: i64) -> Fault {
    fault(
        format!("{} can’t be seen any more", count(records, "record", "records")),
        "Lane holds them, and Salesforce neither shows nor reports them deleted. They are kept as they were last read.",
        "Share them with the Salesforce user of this connection, then re-sync everything; or delete them in Salesforce.",
        SALESFORCE_ADMIN,
    )
    .led("Re-sync", "/resync")
}

fn open_values(values: i64) -> Fault {
    let verb = if values == 1 { "needs" } else { "need" };
    fault(
        format!("{} {verb} mapping", count(values, "value", "values")),
        "Customers with such a value keep the old one until you decide.",
        "Say which option each becomes.",
        LANE_ADMIN,
    )
    .waiting()
    .led("Map values", "/values/status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(object: SalesforceObject, reason: &str) -> ObjectCoverage {
        ObjectCoverage { object: object.into(), paused_reason: reason.into(), ..Default::default() }
    }

    #[test]
    fn each_broken_field_is_named_with_what_it_feeds_and_where_to_mend_it() {
        let entry = |lane: &str, path: &str, lead: &str| FieldMappingEntry {
            lane_field: lane.into(),
            salesforce_field: path.into(),
            lead_field: lead.into(),
            ..Default::default()
        };
        let accounts = FieldMapping {
            kind: RecordKind::Account.into(),
            entries: vec![entry("tier", "Tier__c", ""), entry("arr", "ARR__c", "")],
            ..Default::default()
        };
        let people = FieldMapping {
            kind: RecordKind::Contact.into(),
            entries: vec![entry("status", "Tier__c", "Status")],
            ..Default::default()
        };
        let mappings = [&accounts, &people];
        let found = of_object(&coverage(SalesforceObject::Account, "mapping_broken:Tier__c,ARR__c"), &mappings);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].title, "Account.Tier__c can’t be read any more");
        assert!(found[0].text.contains("It feeds tier in Lane"), "{}", found[0].text);
        assert!(found[1].href.ends_with("/mapping/accounts#row-arr"), "{}", found[1].href);
        let found = of_object(&coverage(SalesforceObject::Lead, "mapping_broken:Status"), &mappings);
        assert!(found[0].href.ends_with("/mapping/people#row-status"), "{}", found[0].href);
    }

    #[test]
    fn what_waits_says_that_there_is_nothing_to_do() {
        let status = SyncStatus { state: SyncState::QuotaExhausted.into(), ..Default::default() };
        let found = connection(&status, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((found.tone, found.who), ("wait", NOBODY));
        assert_eq!(of_reason("unmapped_values"), None, "told with its number");
        assert!(of_object(&coverage(SalesforceObject::Contact, "object_not_visible"), &[])[0].who == SALESFORCE_ADMIN);
        assert!(of_object(&coverage(SalesforceObject::Contact, ""), &[]).is_empty());
    }
}

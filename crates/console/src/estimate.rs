//! What a run would cost, in words: before the first sync, and before a re-sync.

use askama::Template;
use contract::common::v1::SalesforceObject;
use contract::extractor::v1::{EstimateSyncRequest, SyncEstimate};

use crate::moment;
use crate::peers::{ACTION, Answer, Party, ask};
use crate::web::{Frame, Visit};
use crate::words::{count, number, object};

/// One estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Estimated {
    /// Which choice of the form it is about.
    pub(crate) token: &'static str,
    /// The choice for people.
    pub(crate) label: &'static str,
    /// The cost, or why it can't be told.
    pub(crate) text: String,
    /// The records of each object, or what to do.
    pub(crate) detail: String,
}

impl Estimated {
    /// Counts what a choice would read. Salesforce is asked, so it may take longer than a page.
    pub(crate) async fn of(
        visit: &Visit,
        token: &'static str,
        label: &'static str,
        request: EstimateSyncRequest,
    ) -> Self {
        let request = EstimateSyncRequest { workspace_id: visit.workspace(), ..request };
        let answer = ask(Party::Extractor, ACTION, visit.peers().syncs().estimate_sync(request)).await;
        Self::told(token, label, answer)
    }

    fn told(token: &'static str, label: &'static str, answer: Answer<SyncEstimate>) -> Self {
        match answer {
            Ok(estimate) => Self { token, label, text: cost(&estimate), detail: by_object(&estimate) },
            Err(trouble) => {
                let text = format!("Can’t be counted now: {}", trouble.title);
                Self { token, label, text, detail: trouble.remedy }
            }
        }
    }
}

/// Estimates: fragments for a page with a script, a page of their own without. The frame's title is its heading.
#[derive(Template)]
#[template(path = "estimates.html")]
pub(crate) struct EstimatesTemplate<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) estimates: Vec<Estimated>,
    /// What the choices are.
    pub(crate) choice: &'static str,
    /// The form with the choices, below the root.
    pub(crate) form: &'static str,
    /// Where that leads, for people.
    pub(crate) back: &'static str,
}

/// Returns an estimate in words, e.g. "20,000 records · 24 calls · about 1 min".
pub(crate) fn cost(estimate: &SyncEstimate) -> String {
    let records: i64 = estimate.objects.iter().map(|object| object.records).sum();
    let time = estimate.duration.as_ref().and_then(|span| std::time::Duration::try_from(*span).ok());
    let time = time.map_or_else(String::new, |time| {
        // Below a minute the overhead of a run decides, not its records.
        let minutes = time.as_secs().div_ceil(60).max(1);
        format!(" · about {}", moment::span(std::time::Duration::from_secs(minutes * 60)))
    });
    format!(
        "{} · {}{time}",
        count(records, "record", "records"),
        count(estimate.api_calls, "Salesforce call", "Salesforce calls")
    )
}

/// Returns the records of each object in words, e.g. "120 Accounts, 300 Contacts, 100 Leads".
fn by_object(estimate: &SyncEstimate) -> String {
    let part = |each: &contract::extractor::v1::ObjectEstimate| {
        let what: SalesforceObject = each.object();
        format!("{} {}", number(each.records), object(what))
    };
    estimate.objects.iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use contract::error::Reason;
    use contract::extractor::v1::ObjectEstimate;

    use super::*;
    use crate::trouble::Trouble;

    #[test]
    fn a_cost_names_records_calls_and_minutes() {
        let object = ObjectEstimate { object: SalesforceObject::Lead.into(), records: 20_000, ..Default::default() };
        let duration = Some(prost_types::Duration { seconds: 61, nanos: 0 });
        let estimate = SyncEstimate { objects: vec![object], api_calls: 24, duration, ..Default::default() };
        assert_eq!(cost(&estimate), "20,000 records · 24 Salesforce calls · about 2 min");
        assert_eq!(by_object(&estimate), "20,000 Leads");
    }

    #[test]
    fn what_cant_be_counted_says_why_and_what_to_do() {
        let trouble = Trouble::new(Reason::SalesforceUnavailable, "Salesforce is not answering", "");
        let told = Estimated::told("all", "Everything", Err(trouble));
        assert_eq!(told.text, "Can’t be counted now: Salesforce is not answering");
        assert!(!told.detail.is_empty());
    }
}

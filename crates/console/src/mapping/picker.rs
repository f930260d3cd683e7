//! Every Salesforce field that could feed one Lane field: a page with a search, and the same as options for the script.
//!
//! A row of the mapping page holds three or four choices at most; an org may have 800 fields. They are sent when somebody asks.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use contract::extractor::v1::{FieldSample, FieldSamples, SampleFieldsRequest};
use contract::mapper::v1::{CandidateField, ListCandidateFieldsRequest};

use super::draft::{Draft, path_of};
use super::need::{Need, need};
use super::shown;
use super::side::Side;
use super::view::{field_text, sentence};
use super::{Pairs, lane_fields, saved_mapping};
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Outcome, Tab, Visit, page};

/// Fields on one page of the list.
const PAGE_SIZE: usize = 50;

/// What the address asks for beside the draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Search {
    words: String,
    from: usize,
    /// Also what the fields hold, which Salesforce must be asked for.
    holds: bool,
    /// Only the options, for the script.
    is_part: bool,
}

impl Search {
    fn read(pairs: &Pairs) -> Self {
        let of = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        Self {
            words: of("q").unwrap_or_default().trim().to_owned(),
            from: of("from").and_then(|from| from.parse().ok()).unwrap_or_default(),
            holds: of("holds").is_some(),
            is_part: of("part").is_some(),
        }
    }
}

/// One field that can be chosen, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) path: String,
    pub(super) label: String,
    pub(super) text: String,
    pub(super) kind: String,
    pub(super) fit: String,
    pub(super) is_refused: bool,
    pub(super) is_chosen: bool,
    pub(super) leads: String,
    pub(super) holds: String,
    /// Chooses it in the form that one came from.
    pub(super) href: String,
}

#[derive(Template)]
#[template(path = "mapping_fields.html")]
struct FieldsTemplate<'a> {
    frame: &'a Frame,
    name: &'a str,
    kind: &'static str,
    has_leads: bool,
    need: Option<Need>,
    trouble: Option<&'a Trouble>,
    search: &'a Search,
    action: String,
    hidden: Vec<(String, String)>,
    found: String,
    offers: Vec<Offer>,
    previous: String,
    next: String,
    holds_href: String,
    back_href: String,
}

#[derive(Template)]
#[template(path = "mapping_options.html")]
struct OptionsTemplate<'a> {
    offers: Vec<Offer>,
    /// Where the same comes from with what the fields hold; empty when it is told already.
    more: &'a str,
}

/// Lists the fields.
pub(super) async fn list(
    visit: Visit,
    Path((tab, lane)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let (search, draft) = (Search::read(&pairs), Draft::read(&pairs));
    let (candidates, held) = tokio::join!(candidates(&visit, side, &lane), held(&visit, side, search.holds));
    let (held, silent) = match held {
        Ok(held) => (held, None),
        Err(trouble) => (FieldSamples::default(), Some(trouble)),
    };
    let path = format!("{}/fields/{lane}", side.href());
    if search.is_part {
        let candidates = candidates.map_err(|trouble| visit.refuse(&trouble))?;
        let offers = offers(&candidates, &held, side, "", |_| String::new());
        let more = if search.holds { String::new() } else { format!("{path}?part=options&holds=yes") };
        return Ok(page(StatusCode::OK, &OptionsTemplate { offers, more: &more }));
    }
    let (ground, fields, saved) =
        tokio::join!(Ground::of(&visit), lane_fields(&visit, side), saved_mapping(&visit, side));
    let fields = fields.map_err(|trouble| visit.refuse(&trouble))?;
    let saved = saved.map_err(|trouble| visit.refuse(&trouble))?;
    let field = shown::field(&fields, &lane).ok_or_else(|| visit.refuse_missing())?;
    let missing = candidates.as_ref().err().map(|trouble| need(trouble, &ground, &path));
    let candidates = candidates.unwrap_or_default();
    let chosen = draft.wish(&lane).unwrap_or_else(|| path_of(&saved, &lane)).to_owned();
    let row = format!("row-{lane}");
    let back = |draft: &Draft| format!("{}#{row}", draft.address(&side.href(), &[]));
    let all = offers(&candidates, &held, side, &chosen, |path| back(&draft.clone().with(&lane, path, &saved)));
    let all: Vec<Offer> = all.into_iter().filter(|offer| matches(offer, &search.words)).collect();
    let holds: &[(&str, &str)] = if search.holds { &[("holds", "yes")] } else { &[] };
    let turn = |from: usize| {
        let from = from.to_string();
        draft.address(&path, &[&[("q", search.words.as_str()), ("from", from.as_str())], holds].concat())
    };
    let (count, from) = (all.len(), search.from.min(all.len()));
    let offers: Vec<Offer> = all.into_iter().skip(from).take(PAGE_SIZE).collect();
    let frame = Frame::new(&visit, &ground, Some(Tab::Mapping), "Choose a Salesforce field");
    let from_text = from.to_string();
    let template = FieldsTemplate {
        frame: &frame,
        name: &field.display_name,
        kind: shown::lane_type(field.r#type()),
        has_leads: side == Side::People,
        need: missing,
        trouble: silent.as_ref(),
        search: &search,
        hidden: if draft.query().is_empty() { Vec::new() } else { draft.hidden() },
        found: found(count, from, offers.len()),
        previous: if from > 0 { turn(from.saturating_sub(PAGE_SIZE)) } else { String::new() },
        next: if from + offers.len() < count { turn(from + PAGE_SIZE) } else { String::new() },
        holds_href: if search.holds || offers.is_empty() {
            String::new()
        } else {
            draft.address(&path, &[("q", &search.words), ("from", &from_text), ("holds", "yes")])
        },
        offers,
        back_href: back(&draft),
        action: path,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn candidates(visit: &Visit, side: Side, lane: &str) -> Answer<Vec<CandidateField>> {
    let request = ListCandidateFieldsRequest {
        workspace_id: visit.workspace(),
        kind: side.kind().into(),
        lane_field: lane.to_owned(),
    };
    let listed = ask(Party::Mapper, PAGE, visit.peers().mappings().list_candidate_fields(request)).await;
    listed.map(|listed| listed.fields)
}

/// Asks what the fields hold; nothing unless it is wanted. The first time Salesforce is asked, so it may take a while.
async fn held(visit: &Visit, side: Side, wanted: bool) -> Answer<FieldSamples> {
    if !wanted {
        return Ok(FieldSamples::default());
    }
    let request = SampleFieldsRequest { workspace_id: visit.workspace(), object: side.object().into(), refresh: false };
    ask(Party::Extractor, ACTION, visit.peers().access().sample_fields(request)).await
}

/// Returns the fields in the order in which they are useful: those that fit, those that convert, those that can't be used.
fn offers(
    candidates: &[CandidateField],
    held: &FieldSamples,
    side: Side,
    chosen: &str,
    href: impl Fn(&str) -> String,
) -> Vec<Offer> {
    let samples: HashMap<&str, &FieldSample> =
        held.fields.iter().filter_map(|sample| Some((sample.field.as_ref()?.path.as_str(), sample))).collect();
    let mut sorted: Vec<&CandidateField> = candidates.iter().collect();
    let rank = |field: &CandidateField| match field.fit.as_str() {
        "compatible" => 0,
        "converts" => 1,
        _ => 2,
    };
    // What the record itself holds is wanted more often than what its parent or owner holds.
    let is_related = |field: &CandidateField| field.salesforce_field.contains('.');
    sorted.sort_by_cached_key(|field| (rank(field), is_related(field), field.label.to_lowercase()));
    let offer = |field: &CandidateField| {
        let path = &field.salesforce_field;
        let is_refused = field.fit == "refused";
        Offer {
            path: path.clone(),
            label: field.label.clone(),
            text: field_text(field),
            kind: shown::salesforce_type(&field.r#type).to_owned(),
            fit: match field.fit.as_str() {
                "compatible" => "fits".to_owned(),
                "converts" => format!("converts: {}", field.reason),
                _ => format!("can’t be used: {}", field.reason),
            },
            is_refused,
            is_chosen: path == chosen,
            leads: match &field.lead_field {
                _ if side == Side::Accounts => String::new(),
                lead if lead.is_empty() => "not fed by leads".to_owned(),
                lead if lead == path => "same on leads".to_owned(),
                lead => format!("leads: {lead}"),
            },
            holds: samples.get(path.as_str()).map(|sample| holds(sample, held.records)).unwrap_or_default(),
            href: if is_refused { String::new() } else { href(path) },
        }
    };
    sorted.into_iter().map(offer).collect()
}

/// Says how often a field is filled and with what.
fn holds(sample: &FieldSample, records: i32) -> String {
    let Some(filled) = sample.filled.filter(|_| records > 0) else { return "not sampled".to_owned() };
    let share = i64::from(filled) * 100 / i64::from(records);
    let values: Vec<String> = sample.values.iter().map(|value| format!("“{value}”")).collect();
    let values = if values.is_empty() { String::new() } else { format!(": {}", values.join(", ")) };
    // One of 200 is not nothing.
    let share = if share == 0 && filled > 0 { "under 1".to_owned() } else { share.to_string() };
    format!("{share} % filled{values}")
}

fn matches(offer: &Offer, words: &str) -> bool {
    let text = format!("{} {}", offer.text, offer.holds).to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn found(count: usize, from: usize, shown: usize) -> String {
    match count {
        0 => "No field matches. Try its label, its API name or its type.".to_owned(),
        1 => "1 field".to_owned(),
        _ if shown == count => format!("{count} fields"),
        _ => format!("Fields {} to {} of {count}", from + 1, from + shown),
    }
}

#[derive(Template)]
#[template(path = "mapping_holds.html")]
struct HoldsTemplate<'a> {
    frame: &'a Frame,
    row: &'a str,
    path: &'a str,
    text: String,
    back_href: String,
}

/// Says what one field holds.
pub(super) async fn one(visit: Visit, Path(tab): Path<String>, Query(pairs): Query<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let of = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let (path, row) = (of("path").unwrap_or_default(), of("row").unwrap_or_default());
    let text = match held(&visit, side, true).await {
        Ok(held) => {
            let sample =
                held.fields.iter().find(|sample| sample.field.as_ref().is_some_and(|field| field.path == path));
            let told = sample
                .map_or_else(|| "The Salesforce user can’t see it".to_owned(), |sample| holds(sample, held.records));
            format!("{} Looked at the {} newest records.", sentence(&told), held.records)
        }
        Err(trouble) => format!("{}. {}", trouble.title.trim_end_matches('.'), trouble.remedy),
    };
    let frame = Frame::plain(&visit, "What a field holds");
    let back_href = format!("{}#row-{row}", Draft::read(&pairs).address(&side.href(), &[]));
    Ok(page(StatusCode::OK, &HoldsTemplate { frame: &frame, row, path, text, back_href }))
}

#[cfg(test)]
mod tests {
    use contract::extractor::v1::FieldSchema;

    use super::*;

    fn candidate(path: &str, label: &str, fit: &str) -> CandidateField {
        CandidateField {
            salesforce_field: path.into(),
            label: label.into(),
            r#type: "string".into(),
            fit: fit.into(),
            reason: "why".into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_fits_comes_first_and_what_can_not_be_is_said_and_leads_nowhere() {
        let candidates = [
            candidate("Z__c", "alpha", "refused"),
            candidate("B", "beta", "converts"),
            candidate("C", "Gamma", "compatible"),
            candidate("D", "delta", "compatible"),
        ];
        let sample = FieldSample {
            field: Some(FieldSchema { path: "C".into(), ..Default::default() }),
            filled: Some(1),
            values: vec!["one".into()],
        };
        let held = FieldSamples { fields: vec![sample], records: 200, ..Default::default() };
        let all = offers(&candidates, &held, Side::People, "C", str::to_owned);
        let paths: Vec<&str> = all.iter().map(|offer| offer.path.as_str()).collect();
        assert_eq!(paths, ["D", "C", "B", "Z__c"]);
        assert!(all[3].is_refused && all[3].href.is_empty() && all[3].fit == "can’t be used: why");
        assert_eq!((all[1].holds.as_str(), all[1].is_chosen), ("under 1 % filled: “one”", true));
        assert_eq!(all[1].leads, "not fed by leads");
        assert!(matches(&all[1], "GAM tex") && !matches(&all[1], "beta"));
    }

    #[test]
    fn the_list_says_where_one_is() {
        assert_eq!(found(120, 50, 50), "Fields 51 to 100 of 120");
        assert_eq!(found(3, 0, 3), "3 fields");
        assert!(found(0, 0, 0).starts_with("No field matches"));
    }
}

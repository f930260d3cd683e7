//! Why a value is here: from the record in Salesforce to the field in Lane, step by step.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use contract::error::Reason;
use contract::mapper::v1::{FieldOption, FieldStory, LaneField, RecordState, StoryEnd};
use domain::Kind;
use jiff::Timestamp;

use super::row::{Row, api_name, record_url};
use super::value::{raw, shown};
use super::{call, href, words};
use crate::moment::Moment;
use crate::peers::Answer;
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Outcome, ROOT, Tab, Visit, page};

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StoryPage {
    back: String,
    name: String,
    field: String,
    /// What stands in Lane, in words; empty: nothing.
    value: String,
    /// The one sentence that answers the question.
    answer: String,
    steps: Option<Steps>,
    /// Whether somebody should do something about it.
    is_open: bool,
    /// What can be done about it; first what should be.
    links: Vec<(String, &'static str)>,
}

/// From there to here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Steps {
    /// "Account.Industry"; empty when nothing feeds the field.
    source: String,
    record: String,
    url: String,
    /// What Salesforce holds; `None`: nothing.
    raw: Option<String>,
    modified: Option<Moment>,
    read: Option<Moment>,
    /// Address of the run; empty when it is not known.
    run: String,
    /// What the mapping made of it.
    made: String,
    /// Whether that is a value, or an empty field; else what stood in Lane stays.
    is_made: bool,
    version: String,
}

#[derive(Template)]
#[template(path = "story.html")]
struct StoryTemplate<'a> {
    frame: &'a Frame,
    page: &'a StoryPage,
}

pub(super) async fn show(visit: Visit, kind: Kind, Path((id, field)): Path<(String, String)>) -> Outcome {
    let (row, known) = tokio::join!(call::find(&visit, kind, &id), call::fields(&visit, kind));
    let row = row.map_err(|trouble| visit.refuse(&trouble))?;
    let Some(known) = known.into_iter().find(|known| known.id == field) else { return Err(visit.refuse_missing()) };
    let story = async {
        match &row.origin {
            Some(origin) => Some(call::story(&visit, &origin.id, &field).await),
            None => None,
        }
    };
    let (ground, story) = tokio::join!(Ground::of(&visit), story);
    let story = match story {
        Some(Err(trouble)) if !trouble.is(Reason::ResourceNotFound) => return Err(visit.refuse(&trouble)),
        story => story,
    };
    let view = view(&row, &known, story, visit.now);
    let frame = Frame::new(&visit, &ground, Some(Tab::Customers), &format!("Why {} is what it is", known.display_name));
    Ok(page(StatusCode::OK, &StoryTemplate { frame: &frame, page: &view }))
}

fn view(row: &Row, field: &LaneField, story: Option<Answer<FieldStory>>, now: Timestamp) -> StoryPage {
    let standing = row.field(&field.id).and_then(|value| value.value.as_ref());
    let mapping = format!("{ROOT}{}#field-{}", words(row.kind).mapping, field.id);
    let mut page = StoryPage {
        back: format!("{}#field-{}", href(row.kind, &row.id), field.id),
        name: row.name(),
        field: field.display_name.clone(),
        value: shown(standing, &field.options),
        answer: String::new(),
        steps: None,
        is_open: false,
        links: Vec::new(),
    };
    match story {
        None => "It was entered in Lane. No record of Salesforce stands behind this row.".clone_into(&mut page.answer),
        Some(Err(Trouble { .. })) => {
            "Lane does not hold the Salesforce record any more, so its story can’t be told. The value is the last one that was synced, or was entered in Lane."
                .clone_into(&mut page.answer);
        }
        Some(Ok(story)) => {
            page.answer = answer(&story, &field.options);
            page.is_open = matches!(story.end(), StoryEnd::Unmapped | StoryEnd::Faulty);
            page.links = links(&story, mapping, &field.id);
            page.steps = Some(steps(row, &story, &field.options, now));
        }
    }
    page
}

fn raw_of(story: &FieldStory) -> Option<String> {
    story.raw.as_deref().map(raw)
}

/// Answers in one sentence.
fn answer(story: &FieldStory, options: &[FieldOption]) -> String {
    let path = &story.salesforce_field;
    let value =
        if story.mapped_value.is_empty() { raw_of(story).unwrap_or_default() } else { story.mapped_value.clone() };
    let becomes = shown(story.value.as_ref(), options);
    match story.end() {
        StoryEnd::NotFed => {
            "No Salesforce field feeds it: it was entered in Lane, or an earlier mapping left it.".to_owned()
        }
        StoryEnd::NotRead => {
            format!("{path} feeds it, but was not read with this record yet. The next full read brings it.")
        }
        StoryEnd::Taken if story.converted => format!("Salesforce says so in {path}; the value was converted to fit."),
        StoryEnd::Taken => format!("Salesforce says so in {path}."),
        StoryEnd::Empty => format!("{path} is empty in Salesforce, so it is empty here."),
        StoryEnd::Mapped => {
            format!("Salesforce says “{value}” in {path}, and the value mapping makes that “{becomes}”.")
        }
        StoryEnd::Ignored => {
            format!(
                "Salesforce says “{value}” in {path}, and the value mapping says to ignore that: the value before stays."
            )
        }
        StoryEnd::Unmapped => {
            format!("Salesforce says “{value}” in {path}, which has no mapping yet: the value before stays.")
        }
        StoryEnd::Faulty => format!(
            "The record could not be applied ({}), so what stands here is older.",
            story.fault.replace('_', " ")
        ),
        StoryEnd::NotLive => not_live(story.state(), &story.target_id),
        StoryEnd::Unspecified => "How it came here can’t be told now.".to_owned(),
    }
}

fn not_live(state: RecordState, target: &str) -> String {
    match state {
        RecordState::Deleted => "The record was deleted in Salesforce: its last values stay.".to_owned(),
        RecordState::Merged => format!("The record was merged into {target} in Salesforce, which decides now."),
        RecordState::Converted => format!("The lead was converted to {target} in Salesforce, which decides now."),
        RecordState::NotVisible => {
            "The Salesforce user can’t see the record any more: its last values stay.".to_owned()
        }
        RecordState::Live | RecordState::Unspecified => {
            "The record decides nothing now: its last values stay.".to_owned()
        }
    }
}

fn steps(row: &Row, story: &FieldStory, options: &[FieldOption], now: Timestamp) -> Steps {
    let object = api_name(story.object());
    let (version, in_force) = (story.mapping_version, story.mapping_version_in_force);
    let becomes = shown(story.value.as_ref(), options);
    let made = match story.end() {
        StoryEnd::NotFed => "Nothing: no field is mapped to it.".to_owned(),
        StoryEnd::NotRead | StoryEnd::NotLive | StoryEnd::Faulty | StoryEnd::Unspecified => {
            "Nothing: what stood here stays.".to_owned()
        }
        StoryEnd::Ignored | StoryEnd::Unmapped if becomes.is_empty() => "Nothing: what stood here stays.".to_owned(),
        StoryEnd::Ignored | StoryEnd::Unmapped => format!("Nothing: “{becomes}”, the value before, stays."),
        StoryEnd::Empty => "An empty field.".to_owned(),
        StoryEnd::Taken | StoryEnd::Mapped => format!("“{becomes}”"),
    };
    Steps {
        source: if story.salesforce_field.is_empty() {
            String::new()
        } else {
            format!("{object}.{}", story.salesforce_field)
        },
        record: format!("{object} {}", story.id),
        url: row.origin.as_ref().map(record_url).unwrap_or_default(),
        raw: raw_of(story),
        modified: Moment::of(story.modify_time.as_ref(), now),
        read: Moment::of(story.read_time.as_ref(), now),
        run: if story.run_id.is_empty() { String::new() } else { format!("{ROOT}/runs/{}", story.run_id) },
        made,
        is_made: matches!(story.end(), StoryEnd::Empty | StoryEnd::Taken | StoryEnd::Mapped),
        version: if version < in_force {
            format!("Version {version}. Version {in_force} is in force and is on its way to this record.")
        } else {
            format!("Version {version}, in force.")
        },
    }
}

fn links(story: &FieldStory, mapping: String, field: &str) -> Vec<(String, &'static str)> {
    let values = || (format!("{ROOT}/values/{field}"), "Map the value");
    match story.end() {
        StoryEnd::Unmapped => vec![values(), (mapping, "See the mapping")],
        StoryEnd::Mapped | StoryEnd::Ignored => {
            vec![(format!("{ROOT}/values/{field}"), "Change the value mapping"), (mapping, "See the mapping")]
        }
        StoryEnd::Faulty => vec![(format!("{ROOT}/problems"), "See the problem"), (mapping, "See the mapping")],
        StoryEnd::NotFed => vec![(mapping, "Feed it from Salesforce")],
        StoryEnd::NotRead | StoryEnd::Taken | StoryEnd::Empty | StoryEnd::NotLive | StoryEnd::Unspecified => {
            vec![(mapping, "See the mapping")]
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::common::v1::{Value, value};

    use super::*;

    fn story(end: StoryEnd) -> FieldStory {
        FieldStory {
            object: 1,
            id: "001000000000001AAA".into(),
            salesforce_field: "Tier__c".into(),
            raw: Some("\"Gold\"".into()),
            end: end.into(),
            value: Some(Value { value: Some(value::Value::Option("smb".into())) }),
            mapped_value: "Gold".into(),
            mapping_version: 3,
            mapping_version_in_force: 4,
            run_id: "r1".into(),
            ..FieldStory::default()
        }
    }

    fn told(story: Option<Answer<FieldStory>>) -> StoryPage {
        let row = contract::writer::v1::Customer { id: "c1".into(), source: 1, ..Default::default() }.into();
        let field = call::catalogue(Kind::Account).into_iter().find(|field| field.id == "tier").unwrap();
        view(&row, &field, story, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_end_has_an_answer_and_a_way_on() {
        let mapped = told(Some(Ok(story(StoryEnd::Mapped))));
        assert_eq!(mapped.answer, "Salesforce says “Gold” in Tier__c, and the value mapping makes that “SMB”.");
        let steps = mapped.steps.unwrap();
        assert!(steps.is_made && !mapped.is_open);
        assert_eq!((steps.source.as_str(), steps.raw.as_deref()), ("Account.Tier__c", Some("Gold")));
        assert!(steps.version.contains("on its way") && steps.run.ends_with("/runs/r1"));
        for number in 1..=9 {
            let page = told(Some(Ok(story(StoryEnd::try_from(number).unwrap()))));
            assert!(!page.answer.is_empty() && !page.links.is_empty(), "{number}");
        }
        let open = told(Some(Ok(story(StoryEnd::Unmapped))));
        assert!(open.is_open && open.links[0].0.ends_with("/values/tier"));
        assert!(!open.steps.unwrap().is_made);
    }

    #[test]
    fn a_row_without_a_record_says_so() {
        assert!(told(None).answer.contains("entered in Lane"));
        let gone = Trouble::new(Reason::ResourceNotFound, "", "");
        assert!(told(Some(Err(gone))).answer.contains("does not hold"));
    }
}

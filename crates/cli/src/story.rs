//! Why a field of a record is what it is.

use clap::Args;
use contract::mapper::v1 as wire;
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::row::Named;
use crate::session::{Answer, Party, Session};
use crate::table::Table;
use crate::value::{Shown, shown};
use crate::wire::{UNKNOWN, moment, object_word, some};

#[derive(Args, Debug)]
pub(crate) struct Why {
    /// UUID or Salesforce id.
    #[arg(value_parser = Named::parse)]
    pub(crate) id: Named,
    /// Lane field id, e.g. tier.
    field: String,
}

/// Tells the story of a field of the record with this Salesforce id.
pub(crate) async fn tell(session: &Session, salesforce_id: String, why: Why) -> Result<Exit, Failure> {
    let request =
        wire::GetFieldStoryRequest { workspace_id: session.workspace()?, salesforce_id, lane_field: why.field };
    let story = session.ask(Party::Mapper, session.records()?.get_field_story(request)).await?;
    session.show(&Story::from(story))?;
    Ok(Exit::Done)
}

/// A row that was made by hand has no record, so nobody but people decides its values.
pub(crate) fn made_by_hand() -> Failure {
    Failure::usage("This row was made by hand in Lane: no record of Salesforce stands behind it.")
}

#[derive(Debug, Serialize)]
struct Story {
    object: &'static str,
    id: String,
    state: &'static str,
    target_id: Option<String>,
    lane_field: String,
    salesforce_field: Option<String>,
    raw: Option<String>,
    end: &'static str,
    value: Option<Shown>,
    converted: bool,
    mapped_value: Option<String>,
    fault: Option<String>,
    read_at: Option<Timestamp>,
    run_id: Option<String>,
    read_seq: i64,
    modified_at: Option<Timestamp>,
    mapping_version: i64,
    mapping_version_in_force: i64,
}

/// Returns the word for what a record is.
pub(crate) fn state_word(number: i32) -> &'static str {
    match wire::RecordState::try_from(number) {
        Ok(wire::RecordState::Live) => "live",
        Ok(wire::RecordState::Deleted) => "deleted",
        Ok(wire::RecordState::Merged) => "merged",
        Ok(wire::RecordState::Converted) => "converted",
        Ok(wire::RecordState::NotVisible) => "not_visible",
        Ok(wire::RecordState::Unspecified) | Err(_) => UNKNOWN,
    }
}

fn end_word(number: i32) -> &'static str {
    match wire::StoryEnd::try_from(number) {
        Ok(wire::StoryEnd::NotFed) => "not_fed",
        Ok(wire::StoryEnd::NotRead) => "not_read",
        Ok(wire::StoryEnd::Taken) => "taken",
        Ok(wire::StoryEnd::Empty) => "empty",
        Ok(wire::StoryEnd::Mapped) => "mapped",
        Ok(wire::StoryEnd::Ignored) => "ignored",
        Ok(wire::StoryEnd::Unmapped) => "unmapped",
        Ok(wire::StoryEnd::Faulty) => "faulty",
        Ok(wire::StoryEnd::NotLive) => "not_live",
        Ok(wire::StoryEnd::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::FieldStory> for Story {
    fn from(story: wire::FieldStory) -> Self {
        Self {
            object: object_word(story.object),
            state: state_word(story.state),
            end: end_word(story.end),
            read_at: moment(story.read_time.as_ref()),
            modified_at: moment(story.modify_time.as_ref()),
            value: shown(story.value).map(|(_, value)| value),
            id: story.id,
            target_id: some(story.target_id),
            lane_field: story.lane_field,
            salesforce_field: some(story.salesforce_field),
            raw: story.raw,
            converted: story.converted,
            mapped_value: some(story.mapped_value),
            fault: some(story.fault),
            run_id: some(story.run_id),
            read_seq: story.read_seq,
            mapping_version: story.mapping_version,
            mapping_version_in_force: story.mapping_version_in_force,
        }
    }
}

impl Answer for Story {
    fn text(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let mut table = Table::facts();
        table.fact("record", format!("{} {} ({})", self.object, self.id, self.state));
        table.fact("continued by", text(&self.target_id));
        table.fact("lane field", &self.lane_field);
        table.fact("salesforce field", text(&self.salesforce_field));
        table.fact("raw value", text(&self.raw));
        table.fact("ended as", self.end);
        table.fact("deciding value", text(&self.mapped_value));
        table.fact("value", self.value.as_ref().map(ToString::to_string).unwrap_or_default());
        table.fact("fault", text(&self.fault));
        table.fact("changed in Salesforce", self.modified_at.map(|at| at.to_string()).unwrap_or_default());
        table.fact("read", self.read_at.map(|at| at.to_string()).unwrap_or_default());
        table.fact("by run", text(&self.run_id));
        table.fact("mapping version", format!("{} of {}", self.mapping_version, self.mapping_version_in_force));
        table.text()
    }
}

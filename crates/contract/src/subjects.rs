//! The names of all NATS subjects. Ids in subjects are UUIDs, never text from a record.

use domain::{Object, WorkspaceId};

/// Everything of ours begins so; version second.
pub const PREFIX: &str = "lanesync.v1";

/// Returns the subject of raw chunks.
#[must_use]
pub fn raw(workspace: WorkspaceId, object: Object) -> String {
    format!("{PREFIX}.raw.{workspace}.{object}")
}

/// Returns the subject of mapped chunks.
#[must_use]
pub fn mapped(workspace: WorkspaceId, object: Object) -> String {
    format!("{PREFIX}.mapped.{workspace}.{object}")
}

/// Returns the subject of events about unmapped values; people's values count under contact.
#[must_use]
pub fn unmapped(workspace: WorkspaceId, object: Object) -> String {
    format!("{PREFIX}.unmapped.{workspace}.{object}")
}

/// Returns the subject of run events.
#[must_use]
pub fn run(workspace: WorkspaceId) -> String {
    format!("{PREFIX}.run.{workspace}")
}

/// Returns the subject of the customers' change feed.
#[must_use]
pub fn customer(workspace: WorkspaceId) -> String {
    format!("{PREFIX}.customer.{workspace}")
}

/// Returns the subject of commands to the extractor.
#[must_use]
pub fn command(workspace: WorkspaceId) -> String {
    format!("{PREFIX}.cmd.{workspace}")
}

/// Returns where a message goes that can't even be parsed: the origin's subject below the stage that gave up.
#[must_use]
pub fn dead_letter(stage: &str, origin_subject: &str) -> String {
    let tail = origin_subject.strip_prefix(PREFIX).and_then(|rest| rest.trim_start_matches('.').split_once('.'));
    format!("{PREFIX}.dlq.{stage}.{}", tail.map_or("unknown", |(_, tail)| tail))
}

/// Templates for spans and metrics, and filters for consumers.
pub mod template {
    /// Raw chunks.
    pub const RAW: &str = "lanesync.v1.raw.{workspace}.{object}";
    /// Mapped chunks.
    pub const MAPPED: &str = "lanesync.v1.mapped.{workspace}.{object}";
    /// Unmapped values.
    pub const UNMAPPED: &str = "lanesync.v1.unmapped.{workspace}.{object}";
    /// Run events.
    pub const RUN: &str = "lanesync.v1.run.{workspace}";
    /// Change feed.
    pub const CUSTOMER: &str = "lanesync.v1.customer.{workspace}";
    /// Commands.
    pub const COMMAND: &str = "lanesync.v1.cmd.{workspace}";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_keeps_where_it_came_from() {
        let workspace = WorkspaceId::generate();
        let origin = raw(workspace, Object::Lead);
        assert_eq!(dead_letter("mapper", &origin), format!("lanesync.v1.dlq.mapper.{workspace}.lead"));
        assert_eq!(dead_letter("mapper", "nonsense"), "lanesync.v1.dlq.mapper.unknown");
    }
}

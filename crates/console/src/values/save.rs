//! Saves what was chosen in a group, or says what saving would do.

use axum::Form;
use axum::extract::Path;
use axum::http::StatusCode;
use contract::error::Reason;
use contract::mapper::v1::{
    BatchUpdateValueMappingsRequest, BatchUpdateValueMappingsResponse, MappingPreview, ValueMapping,
};

use super::choice::Choice;
use super::look::Look;
use super::view::Typed;
use super::{Group, list, render};
use crate::peers::{ACTION, Answer, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Notice, Outcome, Visit, see};

pub(super) async fn save(
    visit: Visit,
    Path((field, group)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Outcome {
    let group = Group::of_token(&group).ok_or_else(|| visit.refuse_missing())?;
    let choice = Choice::read(&pairs);
    let typed = |trouble, checked| Typed { group, choice: choice.clone(), trouble, checked };
    match apply(&visit, group, &field, &choice).await {
        Ok(Applied { decided, preview, .. }) if choice.checks => {
            let typed = typed(None, Some((decided, preview)));
            render(&visit, StatusCode::OK, &field, &choice.look, Some(&typed)).await
        }
        Ok(applied) => Ok(see(&applied.look(group, choice.look).href(&field), Some(Notice::ValuesSaved))),
        Err(trouble) => {
            let (status, look) = (trouble.status(), choice.look.clone());
            render(&visit, status, &field, &look, Some(&typed(Some(trouble), None))).await
        }
    }
}

/// What was saved, or would be.
pub(super) struct Applied {
    pub(super) decided: usize,
    pub(super) preview: MappingPreview,
}

impl Applied {
    /// Returns an address that tells the numbers.
    pub(super) fn look(&self, group: Group, look: Look) -> Look {
        Look {
            decided: self.decided.to_string(),
            changed: self.preview.changed.to_string(),
            of: group.token().to_owned(),
            ..look
        }
    }
}

async fn apply(visit: &Visit, group: Group, field: &str, choice: &Choice) -> Answer<Applied> {
    let chosen = list::chosen(visit, group, field, choice).await?;
    let decisions = choice.decisions(&chosen)?;
    decide(visit, group, field, decisions, &choice.etag, choice.checks).await
}

/// Saves decisions, or says what they would do.
pub(super) async fn decide(
    visit: &Visit,
    group: Group,
    field: &str,
    decisions: Vec<ValueMapping>,
    etag: &str,
    checks: bool,
) -> Answer<Applied> {
    let decided = decisions.len();
    let request = BatchUpdateValueMappingsRequest {
        workspace_id: visit.workspace(),
        kind: group.kind().into(),
        field: field.to_owned(),
        values: decisions,
        etag: etag.to_owned(),
        validate_only: checks,
    };
    let answer = ask(Party::Mapper, ACTION, visit.peers().mappings().batch_update_value_mappings(request)).await;
    let BatchUpdateValueMappingsResponse { preview, .. } = answer.map_err(explained)?;
    Ok(Applied { decided, preview: preview.unwrap_or_default() })
}

/// Says what a refused save means here.
fn explained(trouble: Trouble) -> Trouble {
    if !trouble.is(Reason::EtagMismatch) {
        return trouble;
    }
    let message =
        "Nothing of yours was saved yet. Below are the values as they are now, with what you chose kept in its place.";
    Trouble { message: message.to_owned(), ..trouble }.advise("Look at the marked rows, then save again.")
}

//! The Salesforce fields that can feed one Lane field.

use contract::common::v1::RecordKind;
use contract::mapper::v1 as wire;
use domain::Kind;
use serde::Serialize;

use crate::failure::Failure;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};
use crate::wire::some;

/// What can feed a Lane field, in the order of describe.
#[derive(Debug, Serialize)]
pub(super) struct Candidates {
    fields: Vec<Candidate>,
}

#[derive(Debug, Serialize)]
struct Candidate {
    path: String,
    on_leads: String,
    label: String,
    r#type: String,
    custom: bool,
    fit: String,
    reason: String,
}

/// Asks how every field of the org fits.
pub(super) async fn list(session: &Session, kind: Kind, lane_field: String) -> Result<Candidates, Failure> {
    let kind = RecordKind::from(kind) as i32;
    let request = wire::ListCandidateFieldsRequest { workspace_id: session.workspace()?, kind, lane_field };
    let listed = session.ask(Party::Mapper, session.mappings()?.list_candidate_fields(request)).await?;
    Ok(Candidates { fields: listed.fields.into_iter().map(Candidate::from).collect() })
}

impl From<wire::CandidateField> for Candidate {
    fn from(field: wire::CandidateField) -> Self {
        Self {
            path: field.salesforce_field,
            on_leads: field.lead_field,
            label: field.label,
            r#type: field.r#type,
            custom: field.custom,
            fit: field.fit,
            reason: field.reason,
        }
    }
}

impl Answer for Candidates {
    fn text(&self) -> String {
        let mut table = Table::new(["field", "on leads", "label", "type", "fit", "because"]);
        for field in &self.fields {
            table.row([
                field.path.clone(),
                or_dash(some(field.on_leads.clone()).as_ref()),
                field.label.clone(),
                field.r#type.clone(),
                field.fit.clone(),
                or_dash(some(field.reason.clone()).as_ref()),
            ]);
        }
        table.text()
    }
}

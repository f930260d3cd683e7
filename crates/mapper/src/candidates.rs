//! What a kind can be fed from: every field of the org, and how each would fit.

use contract::convert::{self, InvalidField};
use contract::mapper::v1 as wire;
use domain::{FieldType, Kind};
use mapping::{Fit, ObjectSchema, Problem, SourceField, candidate, on_lead};
use tonic::Status;

use crate::{Mapper, refusal, rules, store};

impl Mapper {
    pub(crate) async fn list_candidate_fields(
        &self,
        request: wire::ListCandidateFieldsRequest,
    ) -> Result<wire::ListCandidateFieldsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let fields = rules::load_fields(&mut tx, workspace, kind).await?;
        // Salesforce may take its time; no connection to Postgres waits for it.
        drop(tx);
        let named = fields.iter().find(|field| field.id.as_str() == request.lane_field);
        let target = named.map(|field| field.field_type);
        if target.is_none() && !request.lane_field.is_empty() {
            return Err(InvalidField { field: "lane_field", problem: "is no field of this kind" }.into());
        }
        let schemas = self.schemas_for_saving(&known, kind).await?;
        let sources = schemas.first().map(|schema| schema.fields.as_slice()).unwrap_or_default();
        let fields = sources.iter().map(|source| described(kind, &schemas, source, target));
        Ok(wire::ListCandidateFieldsResponse { fields: fields.collect() })
    }
}

fn described(
    kind: Kind,
    schemas: &[ObjectSchema],
    source: &SourceField,
    target: Option<FieldType>,
) -> wire::CandidateField {
    let (fit, reason) = match target.map(|target| candidate(kind, schemas, source, target)) {
        None => ("", String::new()),
        Some(Ok(fits)) => match fits.fit {
            Fit::Converts(how) => ("converts", how.to_owned()),
            Fit::Compatible | Fit::Refused(_) => ("compatible", String::new()),
        },
        Some(Err(Problem::TypeRefused { object, reason })) if object != kind.objects()[0] => {
            ("refused", format!("what leads have in its place {reason}"))
        }
        Some(Err(Problem::TypeRefused { reason, .. })) => ("refused", reason.to_owned()),
        Some(Err(problem)) => ("refused", problem.sentence()),
    };
    let lead = on_lead(kind, schemas, &source.path);
    wire::CandidateField {
        salesforce_field: source.path.clone(),
        label: source.label.clone(),
        r#type: source.source_type.name().to_owned(),
        custom: source.custom,
        lead_field: lead.map(|lead| lead.path.clone()).unwrap_or_default(),
        fit: fit.to_owned(),
        reason,
    }
}

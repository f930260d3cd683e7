//! What the org's objects look like, asked of the extractor.

use contract::common::v1 as common;
use contract::error::Reason;
use contract::extractor::v1 as extractor;
use domain::{Kind, Object, WorkspaceId};
use mapping::{ObjectSchema, PicklistValue, SourceField, SourceType};
use tonic::Status;

use crate::{Mapper, refusal};

impl Mapper {
    /// Returns the describes of a kind's objects. Leads that the integration user may not see have no fields.
    pub(crate) async fn describe_kind(&self, workspace: WorkspaceId, kind: Kind) -> Result<Vec<ObjectSchema>, Status> {
        let mut schemas = Vec::new();
        for object in kind.objects() {
            match self.describe(workspace, *object).await {
                Ok(schema) => schemas.push(schema),
                Err(status)
                    if *object == Object::Lead && Reason::of(&status) == Some(Reason::SalesforcePermissionMissing) =>
                {
                    schemas.push(ObjectSchema { object: *object, fields: Vec::new() });
                }
                Err(status) => return Err(status),
            }
        }
        Ok(schemas)
    }

    /// Returns the describe of one object.
    pub(crate) async fn describe(&self, workspace: WorkspaceId, object: Object) -> Result<ObjectSchema, Status> {
        let request = extractor::DescribeObjectRequest {
            workspace_id: workspace.to_string(),
            object: common::SalesforceObject::from(object).into(),
            refresh: false,
        };
        let schema = self.extractor.clone().describe_object(request).await.map_err(refusal::of_peer)?.into_inner();
        let fields = schema.fields.into_iter().map(field).collect();
        Ok(ObjectSchema { object, fields })
    }
}

fn field(field: extractor::FieldSchema) -> SourceField {
    let value = |value: extractor::PicklistValue| PicklistValue {
        value: value.value,
        label: value.label,
        active: value.active,
    };
    SourceField {
        path: field.path,
        label: field.label,
        source_type: SourceType::from_describe(&field.r#type),
        calculated: field.calculated,
        custom: field.custom,
        values: field.picklist_values.into_iter().map(value).collect(),
    }
}

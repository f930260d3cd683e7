//! Describe, for whoever needs types.

use contract::convert;
use contract::extractor::v1::schema_service_server::SchemaService;
use contract::extractor::v1::{DescribeObjectRequest, ObjectSchema};
use tonic::{Request, Response, Status};

use super::{call_failed, readable};
use crate::describe::Freshness;
use crate::reader::Reader;
use crate::store;

/// Answers what objects look like.
#[derive(Debug)]
pub struct SchemaApi {
    reader: Reader,
}

impl SchemaApi {
    /// Answers with a reader's describes.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

#[tonic::async_trait]
impl SchemaService for SchemaApi {
    async fn describe_object(&self, request: Request<DescribeObjectRequest>) -> Result<Response<ObjectSchema>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = convert::object(request.object)?;
        let known = readable(&self.reader, workspace).await?;
        let session = self.reader.sessions.of(&known);
        let freshness = if request.refresh { Freshness::Asked } else { Freshness::Minutes };
        let schema = self.reader.describes.schema(&session, object, freshness).await;
        let calls = session.take_unsaved_calls();
        if calls > 0 {
            let mut conn = self.reader.pool.acquire().await.map_err(|error| super::books(error.into()))?;
            store::usage::add(&mut conn, workspace, calls).await.map_err(super::books)?;
        }
        Ok(Response::new(schema.map_err(|error| call_failed(&error, Some(object)))?.into()))
    }
}

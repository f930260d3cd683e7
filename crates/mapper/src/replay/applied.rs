//! What became of a replay's chunks: asked of the writer, until its manifest is complete.

use contract::writer::v1::ListAppliedChunksRequest;
use domain::Object;

use super::lease::Leased;
use super::{Step, StepError};
use crate::Mapper;
use crate::store::StoreError;

/// Applied chunks asked for at once.
const APPLIED_PAGE: i32 = 1_000;

impl Mapper {
    /// Asks the writer what was applied since the last look; the replay is done when the manifest is.
    pub(super) async fn look_at_applied(&self, leased: &Leased) -> Result<Step, StepError> {
        let mut position = leased.applied_position;
        loop {
            let request = ListAppliedChunksRequest {
                workspace_id: leased.workspace.to_string(),
                run_id: leased.run.to_string(),
                after_position: position,
                page_size: APPLIED_PAGE,
            };
            let answered = self.writer.clone().list_applied_chunks(request).await;
            let applied = match answered {
                Ok(applied) => applied.into_inner().chunks,
                Err(status) => {
                    self.release(leased, 2.0).await?;
                    return Err(StepError::Writer(Box::new(status)));
                }
            };
            let Some(last) = applied.last() else { break };
            position = last.position;
            let objects: Vec<&str> =
                applied.iter().map(|chunk| contract::convert::object(chunk.object).map_or("", Object::token)).collect();
            let pages: Vec<i32> = applied.iter().map(|chunk| i32::try_from(chunk.page).unwrap_or(-1)).collect();
            let chunks: Vec<i32> = applied.iter().map(|chunk| i32::try_from(chunk.chunk).unwrap_or(-1)).collect();
            let read_seqs: Vec<i64> = applied.iter().map(|chunk| chunk.read_seq).collect();
            sqlx::query!(
                r#"
                with noted as (
                    update mapper.replay_chunk c
                       set applied = true
                      from unnest($2::text[], $3::int[], $4::int[], $5::bigint[]) n (object, page, chunk, read_seq)
                     where c.run_id = $1 and c.object = n.object and c.page = n.page and c.chunk = n.chunk
                       and c.read_seq = n.read_seq
                )
                update mapper.replay set applied_position = $6 where run_id = $1
                "#,
                leased.run.0,
                &objects as &[&str],
                &pages,
                &chunks,
                &read_seqs,
                position,
            )
            .execute(&self.pool)
            .await
            .map_err(StoreError::from)?;
        }
        let done = sqlx::query!(
            r#"
            update mapper.replay r
               set phase = 'done', ended_at = now()
             where run_id = $1 and phase = 'applying'
               and not exists (select 1 from mapper.replay_chunk c where c.run_id = r.run_id and not c.applied)
            "#,
            leased.run.0,
        )
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        Ok(if done.rows_affected() == 1 { Step::Over } else { Step::Wait })
    }
}

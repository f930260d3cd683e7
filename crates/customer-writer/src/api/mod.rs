//! The gRPC services of the writer.

mod apply;
mod check;
mod customers;
mod erase;
mod history;
mod list;
mod page;
mod parked;
mod standing;
mod view;
mod workspace;

use contract::convert::InvalidField;
use contract::error::{Failure, Reason, Violation};
use domain::WorkspaceId;
use sqlx::{PgPool, Postgres, Transaction};
use tonic::Status;

pub(crate) use apply::ApplyApi;
pub(crate) use customers::{CustomerApi, change};
pub(crate) use history::HistoryApi;
pub(crate) use parked::ParkedApi;
pub(crate) use standing::StandingApi;
pub(crate) use workspace::WorkspaceStateApi;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The caller can do something about it.
    #[error("the call was refused")]
    Refused(Box<Failure>),
    /// An argument does not hold.
    #[error("an argument does not hold")]
    Argument(#[from] InvalidField),
    /// Postgres failed.
    #[error("asking Postgres")]
    Store(#[from] sqlx::Error),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(failure) => (*failure).into(),
            CallError::Argument(invalid) => invalid.into(),
            CallError::Store(error) if service::postgres::is_transient(&error) => {
                tracing::warn!(db.response.status_code = %sqlstate(&error), "answering a call");
                Failure::new(Reason::DependencyUnavailable, "The database does not answer.").into()
            }
            CallError::Store(error) => {
                // The text of an error can quote a value, so only its code is told.
                tracing::error!(db.response.status_code = %sqlstate(&error), "answering a call");
                Failure::new(Reason::Internal, "The call failed.").into()
            }
        }
    }
}

fn sqlstate(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}

fn not_found(what: &str) -> CallError {
    Failure::new(Reason::ResourceNotFound, format!("There is no such {what}.")).into()
}

fn invalid(field: &str, problem: &str) -> CallError {
    let violation = Violation { field: field.to_owned(), description: problem.to_owned() };
    Failure::new(Reason::ArgumentInvalid, format!("{field} {problem}.")).with_violations([violation]).into()
}

/// Begins a transaction that sees one workspace only.
async fn begin(pool: &PgPool, workspace: WorkspaceId) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    service::postgres::in_workspace(&mut transaction, workspace).await?;
    Ok(transaction)
}

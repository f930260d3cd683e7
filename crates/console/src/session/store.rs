//! Sessions in a NATS bucket: every replica knows them, a restart keeps them, signing out ends them everywhere.

use jiff::Timestamp;
use messaging::{Bucket, BucketError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Session, Token};

/// Who is signed in is not known now; trying again can help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The bucket does not answer.
    #[error("asking for a session")]
    Bucket(#[from] BucketError),
    /// An entry can't be written.
    #[error("writing a session as JSON")]
    Json(#[from] serde_json::Error),
}

/// Where sessions live; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    bucket: Bucket,
}

impl Sessions {
    /// Keeps sessions in a bucket.
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// Returns the session of a token, or `None` when it is unknown or over.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub(crate) async fn find(&self, token: &Token, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let Some(mut session) = self.read::<Session>("session", token).await? else { return Ok(None) };
        if !session.is_alive(now) {
            self.end(token).await?;
            return Ok(None);
        }
        if session.note(now) {
            self.save(token, &session).await?;
        }
        Ok(Some(session))
    }

    /// Stores a session under its token.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub(crate) async fn save(&self, token: &Token, session: &Session) -> Result<(), StoreError> {
        self.write("session", token, session).await
    }

    /// Ends a session, on every replica.
    ///
    /// # Errors
    /// The bucket does not answer: the session may still be there.
    pub(crate) async fn end(&self, token: &Token) -> Result<(), StoreError> {
        Ok(self.bucket.remove(&key("session", token)).await?)
    }

    /// Stores what a browser that is not signed in has begun.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub(crate) async fn begin_visit<T: Serialize>(&self, token: &Token, visit: &T) -> Result<(), StoreError> {
        self.write("visit", token, visit).await
    }

    /// Takes what a browser has begun: it counts once.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub(crate) async fn take_visit<T: DeserializeOwned>(&self, token: &Token) -> Result<Option<T>, StoreError> {
        let visit = self.read("visit", token).await?;
        self.bucket.remove(&key("visit", token)).await?;
        Ok(visit)
    }

    async fn read<T: DeserializeOwned>(&self, kind: &str, token: &Token) -> Result<Option<T>, StoreError> {
        let found = self.bucket.get(&key(kind, token)).await?;
        // An entry of another version of ours is as good as none: the person signs in once more.
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    async fn write<T: Serialize>(&self, kind: &str, token: &Token, value: &T) -> Result<(), StoreError> {
        Ok(self.bucket.put(&key(kind, token), serde_json::to_vec(value)?).await?)
    }
}

fn key(kind: &str, token: &Token) -> String {
    format!("{kind}.{}", token.hash())
}

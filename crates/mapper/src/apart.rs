//! A chunk that fails as a whole, taken apart: its good records land, the others are named.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use mapping::FaultCode;

use crate::Mapper;
use crate::chunks::{arrival_of, tell_chunk};
use crate::intake::{Intake, Taken};
use crate::raw::RawChunk;
use crate::store::StoreError;

/// Records that fail for themselves, and why.
pub(crate) type Refused = HashMap<String, FaultCode>;

/// Why a chunk could not be taken apart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not the records are to blame: nothing is left of the chunk and it still fails.
    #[error("mapping panicked without any record")]
    Panicked,
}

/// What came of a piece.
enum Piece {
    Taken(Taken),
    /// The epoch is over, or not told yet: what holds for a piece holds for the chunk.
    Other(Intake),
    Failed(FaultCode, ApartError),
}

impl Mapper {
    /// Takes a chunk's records into the store and tells them piece by piece, until only those are left that Postgres
    /// refuses or over which our own code panics, each for itself.
    pub(crate) async fn take_apart(&self, chunk: &RawChunk) -> Result<(Intake, Refused), ApartError> {
        let mut refused = Refused::new();
        let mut taken: Option<Taken> = None;
        let mut pieces = vec![chunk.images.clone()];
        while let Some(mut images) = pieces.pop() {
            let piece = RawChunk { images: images.clone(), ..chunk.clone() };
            match self.take_piece(&piece).await? {
                Piece::Taken(more) => match &mut taken {
                    Some(taken) => {
                        taken.rows.extend(more.rows);
                        taken.lists.extend(more.lists);
                        taken.rules = more.rules;
                    }
                    None => taken = Some(more),
                },
                Piece::Other(intake) => return Ok((intake, Refused::new())),
                Piece::Failed(_, error) if images.is_empty() => return Err(error),
                Piece::Failed(code, _) if images.len() == 1 => {
                    refused.extend(images.pop().map(|image| (image.id, code)));
                }
                Piece::Failed(..) => {
                    let rest = images.split_off(images.len() / 2);
                    pieces.extend([rest, images]);
                }
            }
        }
        match taken {
            Some(taken) => Ok((Intake::Taken(taken), refused)),
            // Every record was refused: the lists and the rules still come from an empty intake.
            None => match self.take_piece(&RawChunk { images: Vec::new(), ..chunk.clone() }).await? {
                Piece::Taken(taken) => Ok((Intake::Taken(taken), refused)),
                Piece::Other(intake) => Ok((intake, refused)),
                Piece::Failed(_, error) => Err(error),
            },
        }
    }

    async fn take_piece(&self, piece: &RawChunk) -> Result<Piece, StoreError> {
        let attempt = async {
            let intake = self.take(&arrival_of(piece)).await?;
            if let Intake::Taken(taken) = &intake {
                tell_chunk(piece, taken, &Refused::new());
            }
            Ok::<_, StoreError>(intake)
        };
        // A panic gives back the transaction; the caches recover from it by themselves.
        Ok(match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(Ok(Intake::Taken(taken))) => Piece::Taken(taken),
            Ok(Ok(other)) => Piece::Other(other),
            Ok(Err(error)) if error.is_transient() => return Err(error),
            Ok(Err(error)) => Piece::Failed(FaultCode::StoreRefused, error.into()),
            Err(_) => Piece::Failed(FaultCode::MapperFailed, ApartError::Panicked),
        })
    }
}

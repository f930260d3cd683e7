//! Message bodies: protobuf, compressed with zstd.

use std::cell::RefCell;
use std::io;

use prost::Message;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// No body unpacks to more than this.
pub const MAX_UNPACKED_BYTES: usize = 16 * 1024 * 1024;

/// Why a body can't be read. Permanent: the same bytes fail again.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not zstd, or larger than [`MAX_UNPACKED_BYTES`].
    #[error("unpacking a message body")]
    Unpack(#[source] std::io::Error),
    /// Not the protobuf message that was expected.
    #[error("decoding a message body")]
    Protobuf(#[source] prost::DecodeError),
}

/// Speed before size: a body is read once or twice, and soon.
const LEVEL: i32 = 1;

thread_local! {
    // Their tables are larger than most bodies, so they are made once for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs a message.
///
/// # Errors
/// Only when the compressor runs out of memory.
pub fn pack(message: &impl Message) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(&message.encode_to_vec())
    })
}

/// Unpacks a message.
///
/// # Errors
/// [`DecodeError`] when the bytes are not what [`pack`] makes of an `M`.
pub fn unpack<M: Message + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    let plain = decompress(bytes).map_err(DecodeError::Unpack)?;
    M::decode(plain.as_slice()).map_err(DecodeError::Protobuf)
}

fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // Whoever packs says how much it was: so much room is made, and a claim beyond the limit is not believed.
    let told = get_frame_content_size(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let room = told.and_then(|told| usize::try_from(told).ok()).unwrap_or(MAX_UNPACKED_BYTES).min(MAX_UNPACKED_BYTES);
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress(bytes, room)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::v1::RawBatch;

    #[test]
    fn what_is_packed_unpacks_and_what_is_not_is_refused() {
        let batch = RawBatch { fields: vec!["Name".into()], ..RawBatch::default() };
        assert_eq!(unpack::<RawBatch>(&pack(&batch).unwrap()).unwrap(), batch);
        assert!(matches!(unpack::<RawBatch>(b"plain"), Err(DecodeError::Unpack(_))));
        let other = zstd::bulk::compress(&[0xff; 40], 1).unwrap();
        assert!(matches!(unpack::<RawBatch>(&other), Err(DecodeError::Protobuf(_))));
        assert_eq!(unpack::<RawBatch>(&pack(&batch).unwrap()).unwrap(), batch, "a refused body spoils none after it");
    }

    #[test]
    fn a_body_that_would_unpack_to_more_than_the_limit_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_UNPACKED_BYTES + 1], LEVEL).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(matches!(unpack::<RawBatch>(&bomb), Err(DecodeError::Unpack(_))));
    }
}

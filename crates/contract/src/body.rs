//! Message bodies: protobuf, compressed with zstd.

use prost::Message;

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

/// Packs a message.
///
/// # Errors
/// Only when the compressor runs out of memory.
pub fn pack(message: &impl Message) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(&message.encode_to_vec(), 1)
}

/// Unpacks a message.
///
/// # Errors
/// [`DecodeError`] when the bytes are not what [`pack`] makes of an `M`.
pub fn unpack<M: Message + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    let plain = zstd::bulk::decompress(bytes, MAX_UNPACKED_BYTES).map_err(DecodeError::Unpack)?;
    M::decode(plain.as_slice()).map_err(DecodeError::Protobuf)
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
    }
}

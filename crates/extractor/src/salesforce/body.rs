//! Bodies, bounded before they are believed: so many bytes on the wire, so many unpacked, never a bomb.

use std::io::Read;

use flate2::read::GzDecoder;
use futures::StreamExt;

use crate::record::AnswerInvalid;

/// No honest page shrinks by more than this.
const MAX_RATIO: usize = 100;
/// Below this size the ratio means nothing.
const RATIO_MATTERS_FROM: usize = 1024 * 1024;
/// What every gzip body begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("reading the body")]
    Transport(#[source] reqwest::Error),
    #[error("the body can't be believed")]
    Invalid(#[from] AnswerInvalid),
}

/// Reads a body to its end and unpacks it; at most `limit` bytes either way.
pub(crate) async fn read(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    if response.content_length().is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(AnswerInvalid::TooLarge.into());
    }
    let mut packed = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| BodyError::Transport(error.without_url()))?;
        if packed.len() + piece.len() > limit {
            return Err(AnswerInvalid::TooLarge.into());
        }
        packed.extend_from_slice(&piece);
    }
    Ok(unpack(packed, limit)?)
}

/// Unpacks by what the bytes are, not by what the header says: plain bodies labelled gzip have been met.
fn unpack(packed: Vec<u8>, limit: usize) -> Result<Vec<u8>, AnswerInvalid> {
    if !packed.starts_with(&GZIP_MAGIC) {
        return Ok(packed);
    }
    let allowed = limit.min(packed.len().saturating_mul(MAX_RATIO).max(RATIO_MATTERS_FROM));
    let mut plain = Vec::with_capacity(packed.len().saturating_mul(4).min(limit));
    let most = u64::try_from(allowed).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(packed.as_slice()).take(most).read_to_end(&mut plain).map_err(|_| AnswerInvalid::Cut)?;
    if plain.len() > allowed { Err(AnswerInvalid::TooLarge) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn case_37_half_a_gzip_is_refused_and_a_plain_body_is_read() {
        let plain = br#"{"totalSize":0,"done":true,"records":[]}"#.repeat(50);
        let packed = pack(&plain);
        assert_eq!(unpack(packed.clone(), 1 << 20).unwrap(), plain);
        assert_eq!(unpack(packed[..packed.len() / 2].to_vec(), 1 << 20), Err(AnswerInvalid::Cut));
        assert_eq!(unpack(plain.clone(), 1 << 20).unwrap(), plain);
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let bomb = pack(&vec![b' '; 8 << 20]);
        assert_eq!(unpack(bomb, 20 << 20), Err(AnswerInvalid::TooLarge));
        let large = pack(
            &(0..6_000_000_u32)
                .map(|n| u8::try_from(n % 251).unwrap() ^ u8::try_from(n / 7 % 256).unwrap())
                .collect::<Vec<_>>(),
        );
        assert_eq!(unpack(large, 1 << 20), Err(AnswerInvalid::TooLarge));
    }
}

//! Finished zlib streams that fill their block, the usual case in VMDK: libdeflate inflates such a block in one call,
//! faster than a streaming decoder.
//!
//! A result is accepted only if the Adler-32 of the stream matches: libdeflate accepts codes that RFC 1951 forbids
//! (length symbols 286 and 287, incomplete trees), which would go unnoticed in a stream without a checksum.
//! Everything else is decoded by the streaming decoder, which reports the error.

use imgprep_map::{Codec, CompressedLen};
use libdeflater::{Decompressor, adler32};

/// RFC 1950 2.2: CMF and FLG, and the Adler-32 at the end.
const ZLIB_HEAD: usize = 2;
const ZLIB_TAIL: usize = 4;

/// Fills `out` from a payload that is one finished stream of exactly that length. Returns false if it is not, or may not be.
pub(crate) fn decompress(
    inflater: &mut Option<Decompressor>,
    codec: Codec,
    payload: &[u8],
    len: CompressedLen,
    out: &mut [u8],
) -> bool {
    // The decoder does not report how much input it used; only the checksum at the end shows that nothing is left over.
    let (Codec::Zlib | Codec::ZlibOpen, CompressedLen::Exact(_)) = (codec, len) else { return false };
    let Some((compressed, sum)) = zlib_parts(payload) else { return false };
    let inflater = inflater.get_or_insert_with(Decompressor::new);
    let produced = inflater.deflate_decompress(compressed, out);
    produced.is_ok_and(|produced| produced == out.len()) && adler32(out) == sum
}

/// The deflate stream inside a zlib stream that fills `payload`, and its checksum.
fn zlib_parts(payload: &[u8]) -> Option<(&[u8], u32)> {
    let (head, rest) = payload.split_first_chunk::<ZLIB_HEAD>()?;
    let (compressed, sum) = rest.split_last_chunk::<ZLIB_TAIL>()?;
    let (is_deflate, has_dictionary) = (head[0] & 0x0f == 8 && head[0] >> 4 <= 7, head[1] & 0x20 != 0);
    let is_sound = u16::from_be_bytes(*head).is_multiple_of(31);
    (is_deflate && is_sound && !has_dictionary).then_some((compressed, u32::from_be_bytes(*sum)))
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn compressed(block: &[u8], has_head: bool, flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(block.len() + 100);
        Compress::new(Compression::new(6), has_head).compress_vec(block, &mut out, flush).unwrap();
        out
    }

    fn takes(codec: Codec, payload: &[u8], is_exact: bool, block: &[u8]) -> bool {
        let len = u32::try_from(payload.len()).unwrap();
        let len = if is_exact { CompressedLen::Exact(len) } else { CompressedLen::AtMost(len) };
        let mut out = vec![0xee; block.len()];
        let is_taken = decompress(&mut None, codec, payload, len, &mut out);
        assert!(!is_taken || out == block);
        is_taken
    }

    #[test]
    fn a_finished_block_with_a_matching_checksum_is_accepted() {
        let block = b"abcd".repeat(1000);
        let zlib = compressed(&block, true, FlushCompress::Finish);
        assert!(takes(Codec::Zlib, &zlib, true, &block));
        assert!(takes(Codec::ZlibOpen, &zlib, true, &block));
    }

    #[test]
    fn everything_else_is_passed_to_the_other_decoder() {
        let block = b"abcd".repeat(1000);
        let zlib = compressed(&block, true, FlushCompress::Finish);
        assert!(!takes(Codec::Zlib, &zlib, false, &block), "where it ends is not known");
        assert!(!takes(Codec::Zlib, &zlib, true, &block[..3999]), "too long");
        assert!(!takes(Codec::Zlib, &zlib, true, &[&block[..], b"e"].concat()), "too short");
        assert!(
            !takes(Codec::ZlibOpen, &compressed(&block, true, FlushCompress::Sync), true, &block),
            "not finished"
        );
        assert!(!takes(Codec::Zlib, &[&zlib[..], &[0]].concat(), true, &block), "a byte is left over");
        for at in [0, 1, zlib.len() - 1] {
            let mut broken = zlib.clone();
            broken[at] ^= 1;
            assert!(!takes(Codec::Zlib, &broken, true, &block), "byte {at}");
        }
        (0..zlib.len()).for_each(|len| assert!(!takes(Codec::Zlib, &zlib[..len], true, &block), "{len}"));
    }

    /// RFC 1951 3.2.6: a fixed block of the literal 'a', length symbol 286, which does not exist, distance 1, end of block.
    /// libdeflate decodes it to 259 times 'a'.
    const FORBIDDEN: [u8; 4] = [0x4b, 0x1c, 0x03, 0x00];

    #[test]
    fn a_forbidden_length_symbol_without_a_checksum_is_an_error() {
        let block = [b'a'; 259];
        let len = CompressedLen::AtMost(4);
        assert!(!takes(Codec::Deflate, &FORBIDDEN, false, &block));
        let mut out = [0; 259];
        let error = crate::BlockDecompressor::new()
            .decompress(Codec::Deflate, &FORBIDDEN, len, &mut out)
            .unwrap_err();
        assert!(matches!(error, crate::DecompressError::Garbage { codec: "deflate", .. }), "{error}");
    }

    #[test]
    fn damaged_streams_never_decode_to_other_bytes() {
        let block: Vec<u8> = (0..4000u32).flat_map(|n| (n * n % 97).to_le_bytes()).collect();
        let zlib = compressed(&block, true, FlushCompress::Finish);
        for at in 0..zlib.len() * 8 {
            let mut broken = zlib.clone();
            broken[at / 8] ^= 1 << (at % 8);
            takes(Codec::Zlib, &broken, true, &block);
        }
    }
}

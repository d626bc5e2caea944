//! Deflate streams that are finished and fill their unit, the usual case: libdeflate inflates such a unit in one go,
//! about twice as fast as a decoder that can stop anywhere.
//!
//! It only ever says yes. Whatever is not exactly one finished stream of one unit is left to the decoder that can say
//! what is wrong with it.

use imgprep_map::{Codec, PackedLen};
use libdeflater::{Decompressor, adler32};

/// RFC 1950 2.2: CMF and FLG, and the Adler-32 at the end.
const ZLIB_HEAD: usize = 2;
const ZLIB_TAIL: usize = 4;

/// Fills `out` from a payload that is one finished stream of as many bytes. False: nothing is known about it.
pub(crate) fn unpack(
    inflater: &mut Option<Decompressor>,
    codec: Codec,
    payload: &[u8],
    len: PackedLen,
    out: &mut [u8],
) -> bool {
    let inflater = inflater.get_or_insert_with(Decompressor::new);
    let mut fills = |packed: &[u8], out: &mut [u8]| {
        inflater.deflate_decompress(packed, out).is_ok_and(|produced| produced == out.len())
    };
    match (codec, len) {
        // It does not tell how much it used: where nothing may be left over, only a checksum at the end shows that.
        (Codec::Deflate, PackedLen::AtMost(_)) => fills(payload, out),
        (Codec::Zlib | Codec::ZlibOpen, PackedLen::Exact(_)) => {
            let Some((packed, sum)) = zlib_parts(payload) else { return false };
            fills(packed, out) && adler32(out) == sum
        }
        _ => false,
    }
}

/// The deflate stream in a zlib stream that fills `payload`, and its checksum.
fn zlib_parts(payload: &[u8]) -> Option<(&[u8], u32)> {
    let (head, rest) = payload.split_first_chunk::<ZLIB_HEAD>()?;
    let (packed, sum) = rest.split_last_chunk::<ZLIB_TAIL>()?;
    let (is_deflate, has_dictionary) = (head[0] & 0x0f == 8 && head[0] >> 4 <= 7, head[1] & 0x20 != 0);
    let is_sound = u16::from_be_bytes(*head).is_multiple_of(31);
    (is_deflate && is_sound && !has_dictionary).then_some((packed, u32::from_be_bytes(*sum)))
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn packed(unit: &[u8], has_head: bool, flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(unit.len() + 100);
        Compress::new(Compression::new(6), has_head).compress_vec(unit, &mut out, flush).unwrap();
        out
    }

    fn takes(codec: Codec, payload: &[u8], is_exact: bool, unit: &[u8]) -> bool {
        let len = u32::try_from(payload.len()).unwrap();
        let len = if is_exact { PackedLen::Exact(len) } else { PackedLen::AtMost(len) };
        let mut out = vec![0xee; unit.len()];
        let is_taken = unpack(&mut None, codec, payload, len, &mut out);
        assert!(!is_taken || out == unit);
        is_taken
    }

    #[test]
    fn a_finished_unit_is_taken_with_whatever_may_follow_it() {
        let unit = b"abcd".repeat(1000);
        let plain = packed(&unit, false, FlushCompress::Finish);
        assert!(takes(Codec::Deflate, &plain, false, &unit));
        assert!(takes(Codec::Deflate, &[&plain[..], &[0xaa; 20]].concat(), false, &unit));
        let zlib = packed(&unit, true, FlushCompress::Finish);
        assert!(takes(Codec::Zlib, &zlib, true, &unit));
        assert!(takes(Codec::ZlibOpen, &zlib, true, &unit));
    }

    #[test]
    fn everything_else_is_left_to_the_other_decoder() {
        let unit = b"abcd".repeat(1000);
        let plain = packed(&unit, false, FlushCompress::Finish);
        assert!(!takes(Codec::Deflate, &plain, true, &unit), "what is left over can't be seen");
        assert!(!takes(Codec::Deflate, &plain, false, &unit[..3999]), "too long");
        assert!(!takes(Codec::Deflate, &plain, false, &[&unit[..], b"e"].concat()), "too short");
        assert!(
            !takes(Codec::Deflate, &packed(&unit, false, FlushCompress::Sync), false, &unit),
            "not finished"
        );
        let zlib = packed(&unit, true, FlushCompress::Finish);
        assert!(!takes(Codec::Zlib, &[&zlib[..], &[0]].concat(), true, &unit), "a byte is left over");
        for at in [0, 1, zlib.len() - 1] {
            let mut broken = zlib.clone();
            broken[at] ^= 1;
            assert!(!takes(Codec::Zlib, &broken, true, &unit), "byte {at}");
        }
        (0..zlib.len()).for_each(|len| assert!(!takes(Codec::Zlib, &zlib[..len], true, &unit), "{len}"));
    }
}

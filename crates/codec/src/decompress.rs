//! Decompression of payloads into blocks.

use flate2::{Decompress, FlushDecompress, Status};
use imgprep_map::{Codec, CompressedLen};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::{DecompressError, finished};

/// Decompresses blocks. Contexts are created on first use and reused.
#[derive(Default)]
pub struct BlockDecompressor {
    finished: Option<libdeflater::Decompressor>,
    deflate: Option<Decompress>,
    zlib: Option<Decompress>,
    zstd: Option<Decoder<'static>>,
    ending: PayloadEnd,
}

/// How the last payload ended, for formats with rules about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadEnd {
    /// Whether its deflate stream had a last block.
    pub is_finished: bool,
    /// How many zstd frames it had.
    pub frames: u32,
}

impl BlockDecompressor {
    /// A decompressor without contexts.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the last payload ended.
    pub fn ending(&self) -> PayloadEnd {
        self.ending
    }

    /// Decompresses one payload into `out`, the whole block.
    ///
    /// If the length of the payload is exact, all of it must be used. A
    /// zlib stream that is [`Codec::ZlibOpen`] may end in a flush instead of its checksum.
    pub fn decompress(
        &mut self,
        codec: Codec,
        payload: &[u8],
        len: CompressedLen,
        out: &mut [u8],
    ) -> Result<(), DecompressError> {
        let least = out.len();
        self.decompress_some(codec, payload, len, out, least).map(|_| ())
    }

    /// The same for a block whose end is not needed: it may end after `least` bytes. Returns how
    /// many bytes are valid; the rest of `out` is undefined.
    pub fn decompress_some(
        &mut self,
        codec: Codec,
        payload: &[u8],
        len: CompressedLen,
        out: &mut [u8],
        least: usize,
    ) -> Result<usize, DecompressError> {
        if finished::decompress(&mut self.finished, codec, payload, len, out) {
            self.ending = PayloadEnd { is_finished: true, frames: 0 };
            return Ok(out.len());
        }
        let mut produced = out.len();
        let used = match codec {
            Codec::Deflate => {
                let inflater = self.deflate.get_or_insert_with(|| Decompress::new(false));
                inflater.reset(false);
                let end = inflate("deflate", inflater, payload, out, out.len())?;
                self.ending = PayloadEnd { is_finished: end.is_finished, frames: 0 };
                end.used
            }
            Codec::Zlib | Codec::ZlibOpen | Codec::ZlibContinued => {
                let inflater = self.zlib.get_or_insert_with(|| Decompress::new(true));
                inflater.reset(true);
                let least = if codec == Codec::Zlib { least } else { out.len() };
                let end = inflate("zlib", inflater, payload, out, least)?;
                produced = end.produced;
                if codec == Codec::Zlib && !end.is_finished {
                    return Err(DecompressError::Short {
                        produced: out.len() as u64,
                        expected: out.len() as u64,
                    });
                }
                self.ending = PayloadEnd { is_finished: end.is_finished, frames: 0 };
                end.used
            }
            Codec::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(Decoder::new().map_err(|error| garbage("zstd", &error, 0, out))?);
                }
                // OK: inserted above.
                let Some(decoder) = &mut self.zstd else { unreachable!("the decoder was just made") };
                let (used, frames) = zstd_frames(decoder, payload, out)?;
                self.ending = PayloadEnd { is_finished: true, frames };
                used
            }
        };
        let left = payload.len() - used;
        match len {
            CompressedLen::Exact(_) if left > 0 => {
                Err(DecompressError::LeftOver { left: left as u64, len: payload.len() as u64 })
            }
            _ => Ok(produced),
        }
    }
}

/// The stream over all records of a ZVHD.
pub struct Continued(Decompress);

impl Default for Continued {
    fn default() -> Self {
        Self::new()
    }
}

impl Continued {
    /// A decoder at the start of the stream.
    pub fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// Decompresses the next record into `out`, the whole block; all of `payload` must be used.
    pub fn decompress(&mut self, payload: &[u8], out: &mut [u8]) -> Result<PayloadEnd, DecompressError> {
        let end = inflate("zlib", &mut self.0, payload, out, out.len())?;
        match payload.len() - end.used {
            0 => Ok(PayloadEnd { is_finished: end.is_finished, frames: 0 }),
            left => Err(DecompressError::LeftOver { left: left as u64, len: payload.len() as u64 }),
        }
    }
}

/// How an inflation ended.
struct End {
    used: usize,
    produced: usize,
    is_finished: bool,
}

/// Inflates until `out` is full, then checks whether the stream continues. A stream that is
/// finished may have filled only `least` bytes.
fn inflate(
    codec: &'static str,
    inflater: &mut Decompress,
    payload: &[u8],
    out: &mut [u8],
    least: usize,
) -> Result<End, DecompressError> {
    let (in_before, out_before) = (inflater.total_in(), inflater.total_out());
    // OK: neither runs past its slice's length.
    let used = |inflater: &Decompress| (inflater.total_in() - in_before) as usize;
    let produced = |inflater: &Decompress| (inflater.total_out() - out_before) as usize;
    let expected = out.len() as u64;
    loop {
        let (taken, done) = (used(inflater), produced(inflater));
        let mut probe = [0];
        // Once the block is full one more byte is offered: a stream that fills it is too long.
        let target = if done < out.len() { &mut out[done..] } else { &mut probe[..] };
        let status = inflater.decompress(&payload[taken..], target, FlushDecompress::None);
        let now = produced(inflater);
        if now as u64 > expected {
            return Err(DecompressError::Long { expected });
        }
        let status = match status {
            Ok(status) => status,
            // If only a bound of the length is known, anything may follow a full block: padding, the next payload.
            Err(_) if now == out.len() && done == now => Status::BufError,
            Err(error) => return Err(garbage(codec, &error, now, out)),
        };
        let is_finished = status == Status::StreamEnd;
        let is_stuck = used(inflater) == taken && now == done;
        if is_finished || is_stuck {
            if now < if is_finished { least } else { out.len() } {
                return Err(DecompressError::Short { produced: now as u64, expected });
            }
            return Ok(End { used: used(inflater), produced: now, is_finished });
        }
    }
}

/// Decodes frames until `out` is full and the last frame is complete. Returns the used bytes and the number of frames.
fn zstd_frames(
    decoder: &mut Decoder<'static>,
    payload: &[u8],
    out: &mut [u8],
) -> Result<(usize, u32), DecompressError> {
    let expected = out.len() as u64;
    let mut input = InBuffer::around(payload);
    let (mut produced, mut frames) = (0, 1u32);
    decoder.reinit().map_err(|error| garbage("zstd", &error, 0, out))?;
    loop {
        let (taken, done) = (input.pos(), produced);
        let mut probe = [0];
        let is_full = produced == out.len();
        let mut output = OutBuffer::around(if is_full { &mut probe[..] } else { &mut out[produced..] });
        let hint = decoder.run(&mut input, &mut output);
        let written = output.pos();
        let hint = hint.map_err(|error| garbage("zstd", &error, produced, out))?;
        if is_full && written > 0 {
            return Err(DecompressError::Long { expected });
        }
        produced += written;
        if hint == 0 && produced == out.len() {
            return Ok((input.pos(), frames));
        }
        if input.pos() == taken && produced == done {
            return Err(DecompressError::Short { produced: produced as u64, expected });
        }
        if hint == 0 {
            frames = frames.saturating_add(1);
            decoder.reinit().map_err(|error| garbage("zstd", &error, produced, out))?;
        }
    }
}

fn garbage(codec: &'static str, reason: &impl ToString, produced: usize, out: &[u8]) -> DecompressError {
    DecompressError::Garbage {
        codec,
        reason: reason.to_string(),
        produced: produced as u64,
        expected: out.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::Compression;

    use super::*;
    use crate::BlockCompressor;

    const ZSTD: Compression = Compression::Zstd { level: 3, has_checksum: true };

    fn decompress(
        codec: Codec,
        payload: &[u8],
        len: CompressedLen,
        block: usize,
    ) -> Result<Vec<u8>, DecompressError> {
        let mut out = vec![0xee; block];
        BlockDecompressor::new().decompress(codec, payload, len, &mut out).map(|()| out)
    }

    fn exact(codec: Codec, payload: &[u8], block: usize) -> Result<Vec<u8>, DecompressError> {
        decompress(codec, payload, CompressedLen::Exact(u32::try_from(payload.len()).unwrap()), block)
    }

    fn at_most(codec: Codec, payload: &[u8], block: usize) -> Result<Vec<u8>, DecompressError> {
        decompress(codec, payload, CompressedLen::AtMost(u32::try_from(payload.len()).unwrap()), block)
    }

    #[test]
    fn a_finished_block_may_be_longer_than_requested() {
        // RFC 1950: head, the stored block of "abcd", its Adler-32.
        let payload: Vec<u8> = [&[0x78, 0x01][..], &STORED, &[0x03, 0xd8, 0x01, 0x8b]].concat();
        let len = CompressedLen::Exact(u32::try_from(payload.len()).unwrap());
        let some = |codec, payload: &[u8], least| {
            let mut out = [0xee; 6];
            BlockDecompressor::new()
                .decompress_some(codec, payload, len, &mut out, least)
                .map(|len| out[..len].to_vec())
        };
        assert_eq!(some(Codec::Zlib, &payload, 4).unwrap(), b"abcd");
        let short = DecompressError::Short { produced: 4, expected: 6 };
        assert_eq!(some(Codec::Zlib, &payload, 5), Err(short.clone()));
        assert_eq!(some(Codec::ZlibOpen, &payload, 4), Err(short.clone()));
        // Cut in its checksum.
        assert_eq!(some(Codec::Zlib, &payload[..14], 4), Err(short));
    }

    /// RFC 1951 3.2.4: one final stored block of "abcd".
    const STORED: [u8; 9] = [1, 4, 0, 0xfb, 0xff, b'a', b'b', b'c', b'd'];

    #[test]
    fn a_stored_deflate_block_is_decoded() {
        assert_eq!(exact(Codec::Deflate, &STORED, 4).unwrap(), b"abcd");
        let mut padded = STORED.to_vec();
        padded.extend([0xaa; 20]);
        assert_eq!(at_most(Codec::Deflate, &padded, 4).unwrap(), b"abcd");
        assert_eq!(exact(Codec::Deflate, &padded, 4), Err(DecompressError::LeftOver { left: 20, len: 29 }));
    }

    #[test]
    fn a_fixed_huffman_block_is_decoded() {
        // RFC 1951 3.2.6: final fixed block: literal 'a' (0x91: 8 bits 0x30 + 0x61), end of block.
        assert_eq!(exact(Codec::Deflate, &[0x4b, 0x04, 0x00], 1).unwrap(), b"a");
    }

    #[test]
    fn one_byte_more_or_less_is_reported() {
        assert_eq!(
            exact(Codec::Deflate, &STORED, 5),
            Err(DecompressError::Short { produced: 4, expected: 5 })
        );
        assert_eq!(exact(Codec::Deflate, &STORED, 3), Err(DecompressError::Long { expected: 3 }));
    }

    #[test]
    fn a_truncated_payload_is_reported_as_short() {
        for len in 0..STORED.len() {
            let result = at_most(Codec::Deflate, &STORED[..len], 4);
            assert!(matches!(result, Err(DecompressError::Short { .. })), "{len}: {result:?}");
        }
    }

    #[test]
    fn garbage_is_reported_as_garbage() {
        let result = exact(Codec::Deflate, &[0xff; 16], 4);
        assert!(
            matches!(result, Err(DecompressError::Garbage { codec: "deflate", produced: 0, .. })),
            "{result:?}"
        );
        let result = exact(Codec::Zlib, &[0xff; 16], 4);
        assert!(matches!(result, Err(DecompressError::Garbage { codec: "zlib", .. })), "{result:?}");
        let result = exact(Codec::Zstd, &[0xff; 16], 4);
        assert!(matches!(result, Err(DecompressError::Garbage { codec: "zstd", .. })), "{result:?}");
    }

    fn zlib(finished: bool) -> Vec<u8> {
        // RFC 1950: head, one stored block (final or not), Adler-32 of "abcd".
        let mut bytes = vec![0x78, 0x01];
        bytes.extend(STORED);
        if finished {
            bytes.extend(0x03d8_018b_u32.to_be_bytes());
        } else {
            bytes[2] = 0;
        }
        bytes
    }

    #[test]
    fn finished_and_open_zlib_streams_are_decoded() {
        assert_eq!(exact(Codec::Zlib, &zlib(true), 4).unwrap(), b"abcd");
        assert_eq!(exact(Codec::ZlibOpen, &zlib(true), 4).unwrap(), b"abcd");
        assert_eq!(exact(Codec::ZlibOpen, &zlib(false), 4).unwrap(), b"abcd");
        assert!(matches!(exact(Codec::Zlib, &zlib(false), 4), Err(DecompressError::Short { .. })));
    }

    #[test]
    fn a_wrong_adler_checksum_is_garbage() {
        let mut bytes = zlib(true);
        *bytes.last_mut().unwrap() ^= 1;
        let result = exact(Codec::Zlib, &bytes, 4);
        assert!(result.is_err(), "{result:?}");
    }

    #[test]
    fn a_stream_continues_over_two_records() {
        let mut compress = flate2::Compress::new(flate2::Compression::new(6), true);
        let mut stream = Continued::new();
        for text in [b"the first record", b"the first record"] {
            let mut record = Vec::with_capacity(100);
            compress.compress_vec(text, &mut record, flate2::FlushCompress::Sync).unwrap();
            let mut out = [0; 16];
            stream.decompress(&record, &mut out).unwrap();
            assert_eq!(&out, text);
        }
    }

    fn compress(compression: Compression, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        BlockCompressor::new(compression).unwrap().append(block, &mut out).unwrap();
        out
    }

    #[test]
    fn zstd_frames_are_decoded_until_the_block_is_full() {
        let (a, b) = (compress(ZSTD, b"abcd"), compress(ZSTD, b"efgh"));
        let both = [a.clone(), b].concat();
        assert_eq!(exact(Codec::Zstd, &both, 8).unwrap(), b"abcdefgh");
        let padded = [a.clone(), vec![0; 30]].concat();
        assert_eq!(at_most(Codec::Zstd, &padded, 4).unwrap(), b"abcd");
        assert_eq!(
            exact(Codec::Zstd, &padded, 4),
            Err(DecompressError::LeftOver { left: 30, len: padded.len() as u64 })
        );
        assert!(matches!(
            exact(Codec::Zstd, &a, 3),
            Err(DecompressError::Long { .. } | DecompressError::Garbage { .. })
        ));
        assert_eq!(exact(Codec::Zstd, &a, 5), Err(DecompressError::Short { produced: 4, expected: 5 }));
        for len in 0..a.len() {
            assert!(
                matches!(at_most(Codec::Zstd, &a[..len], 4), Err(DecompressError::Short { .. })),
                "{len}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_of_a_zstd_frame_with_a_checksum_is_detected() {
        let block = b"abcd".repeat(1000);
        let frame = compress(ZSTD, &block);
        for at in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[at / 8] ^= 1 << (at % 8);
            if let Ok(out) = exact(Codec::Zstd, &changed, block.len()) {
                assert!(out == block, "bit {at} makes other bytes");
            }
        }
        // Only the checksum itself differs.
        let mut changed = frame.clone();
        changed[frame.len() - 1] ^= 1;
        assert!(matches!(exact(Codec::Zstd, &changed, block.len()), Err(DecompressError::Garbage { .. })));
    }

    #[test]
    fn a_zstd_frame_with_a_huge_declared_size_allocates_nothing() {
        // RFC 8878 3.1.1.1: magic, 8-byte content size, single segment: 2^60 bytes.
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        frame.extend((1u64 << 60).to_le_bytes());
        frame.extend([1, 0, 0]);
        assert!(matches!(exact(Codec::Zstd, &frame, 4096), Err(DecompressError::Garbage { .. })));
    }

    #[test]
    fn a_context_is_reusable_after_a_failure() {
        let mut decompressor = BlockDecompressor::new();
        let mut out = [0; 4];
        let frame = compress(ZSTD, b"abcd");
        for codec in [Codec::Deflate, Codec::Zlib, Codec::Zstd] {
            assert!(decompressor.decompress(codec, &[0xff; 9], CompressedLen::AtMost(9), &mut out).is_err());
        }
        decompressor.decompress(Codec::Zstd, &frame[..6], CompressedLen::AtMost(6), &mut out).unwrap_err();
        decompressor.decompress(Codec::Zstd, &frame, CompressedLen::AtMost(99), &mut out).unwrap();
        assert_eq!(&out, b"abcd");
        decompressor.decompress(Codec::Deflate, &STORED, CompressedLen::AtMost(9), &mut out).unwrap();
    }
}

//! Compression of blocks.

use flate2::{Compress, FlushCompress, Status};
use imgprep_map::Compression;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::CompressError;

/// Compresses blocks one after the other with one context.
pub struct BlockCompressor(Encoder);

enum Encoder {
    Zstd(Compressor<'static>),
    /// zlib or deflate up to a sync flush.
    Open(Compress),
    /// A whole stream.
    Finished(Compress),
}

impl BlockCompressor {
    /// Creates the context. An unsupported level is an error.
    pub fn new(compression: Compression) -> Result<Self, CompressError> {
        Ok(Self(match compression {
            Compression::Zstd { level, has_checksum } => {
                check_level(level.into(), 22, "zstd has levels 1 to 22")?;
                let mut compressor = Compressor::new(level).map_err(|error| failed(&error))?;
                compressor
                    .set_parameter(CParameter::ChecksumFlag(has_checksum))
                    .map_err(|error| failed(&error))?;
                Encoder::Zstd(compressor)
            }
            Compression::ZlibOpen { level } => {
                check_level(level.into(), 9, ZLIB_LEVELS)?;
                Encoder::Open(Compress::new(flate2::Compression::new(level), true))
            }
            Compression::DeflateOpen { level } => {
                check_level(level.into(), 9, ZLIB_LEVELS)?;
                Encoder::Open(Compress::new(flate2::Compression::new(level), false))
            }
            Compression::Zlib { level } => {
                check_level(level.into(), 9, ZLIB_LEVELS)?;
                Encoder::Finished(Compress::new(flate2::Compression::new(level), true))
            }
            Compression::Deflate { level, window_bits } => {
                check_level(level.into(), 9, ZLIB_LEVELS)?;
                let level = flate2::Compression::new(level);
                Encoder::Finished(Compress::new_with_window_bits(level, false, window_bits))
            }
        }))
    }

    /// Appends the compressed `block` to `out`. The same block always produces the same bytes.
    pub fn append(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
        match &mut self.0 {
            Encoder::Zstd(compressor) => zstd_frame(compressor, block, out),
            Encoder::Open(compress) => {
                compress.reset();
                sync_flushed(compress, block, out)
            }
            Encoder::Finished(compress) => {
                compress.reset();
                finished(compress, block, out)
            }
        }
    }
}

/// Appends a frame. zstd itself replaces the contents of a `Vec`.
fn zstd_frame(compressor: &mut Compressor<'_>, block: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    let start = out.len();
    out.reserve(zstd::zstd_safe::compress_bound(block.len()));
    let mut output = std::io::Cursor::new(&mut *out);
    output.set_position(start as u64);
    compressor.compress_to_buffer(block, &mut output).map_err(|error| failed(&error))?;
    Ok(())
}

/// One stream up to a sync flush, not finished.
fn sync_flushed(compress: &mut Compress, block: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    out.reserve(zlib_bound(block.len()));
    loop {
        // OK: the input is at most the block's length.
        let rest = &block[compress.total_in() as usize..];
        let status = compress.compress_vec(rest, out, FlushCompress::Sync).map_err(|error| failed(&error))?;
        let is_done = compress.total_in() == block.len() as u64 && out.len() < out.capacity();
        match status {
            Status::Ok | Status::BufError if is_done => return Ok(()),
            Status::Ok | Status::BufError => out.reserve(4096),
            Status::StreamEnd => return Err(CompressError::Failed { reason: "the stream ended".into() }),
        }
    }
}

/// Appends one finished stream.
fn finished(compress: &mut Compress, block: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    out.reserve(zlib_bound(block.len()));
    match compress.compress_vec(block, out, FlushCompress::Finish).map_err(|error| failed(&error))? {
        Status::StreamEnd => Ok(()),
        Status::Ok | Status::BufError => {
            Err(CompressError::Failed { reason: "the stream is longer than its bound".into() })
        }
    }
}

const ZLIB_LEVELS: &str = "zlib has levels 1 to 9";

fn check_level(level: i64, highest: i64, range: &'static str) -> Result<(), CompressError> {
    if (1..=highest).contains(&level) { Ok(()) } else { Err(CompressError::Level { level, range }) }
}

fn failed(error: &impl ToString) -> CompressError {
    CompressError::Failed { reason: error.to_string() }
}

/// Nine bits a byte: no literal of a fixed Huffman block has more (RFC 1951 3.2.6), and
/// the fast levels do emit those for incompressible data. Stream header, block headers, flush marker and checksum are
/// added.
fn zlib_bound(block: usize) -> usize {
    block + block / 8 + block / 16384 * 5 + 64
}

/// Maximum compressed length of a block, in bytes.
pub fn compress_bound(compression: Compression, block: u64) -> u64 {
    // OK: a block is a few MiB, set by the writer.
    let len = block as usize;
    (match compression {
        Compression::Zstd { .. } => zstd::zstd_safe::compress_bound(len),
        Compression::ZlibOpen { .. }
        | Compression::DeflateOpen { .. }
        | Compression::Zlib { .. }
        | Compression::Deflate { .. } => zlib_bound(len),
    }) as u64
}

/// Maximum memory of one [`BlockCompressor`] after compressing a block of 2 MiB, in
/// bytes: a test compares it with zstd's own figure for each level.
pub fn context_bytes(compression: Compression) -> u64 {
    const MIB: u64 = 1 << 20;
    match compression {
        Compression::ZlibOpen { .. }
        | Compression::DeflateOpen { .. }
        | Compression::Zlib { .. }
        | Compression::Deflate { .. } => MIB,
        Compression::Zstd { level, .. } => match level {
            ..=3 => 2 * MIB,
            4..=8 => 6 * MIB,
            9..=12 => 24 * MIB,
            _ => 40 * MIB,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zstd(level: i32) -> Compression {
        Compression::Zstd { level, has_checksum: true }
    }

    fn zlib(level: u32) -> Compression {
        Compression::Zlib { level }
    }

    fn deflate_12(level: u32) -> Compression {
        Compression::Deflate { level, window_bits: 12 }
    }

    /// QEMU decodes QCOW2 clusters with a window of 4 KiB.
    #[test]
    fn a_deflate_stream_keeps_to_its_window() {
        let mut block: Vec<u8> = (0..5000u32).map(|n| (n * n % 251) as u8 ^ (n >> 3) as u8).collect();
        block.extend_from_within(..);
        block.resize(1 << 16, 0);
        for level in 1..=9 {
            let mut out = Vec::new();
            BlockCompressor::new(deflate_12(level)).unwrap().append(&block, &mut out).unwrap();
            let mut back = vec![0; block.len()];
            let mut decoder = flate2::Decompress::new_with_window_bits(false, 12);
            let status = decoder.decompress(&out, &mut back, flate2::FlushDecompress::Finish).unwrap();
            assert_eq!((status, back == block), (Status::StreamEnd, true), "level {level}");
        }
    }

    #[test]
    fn a_zstd_frame_has_a_checksum_if_requested() {
        let block = b"abcd".repeat(1000);
        let frame = |has_checksum| {
            let mut out = Vec::new();
            BlockCompressor::new(Compression::Zstd { level: 3, has_checksum })
                .unwrap()
                .append(&block, &mut out)
                .unwrap();
            out
        };
        let (with, without) = (frame(true), frame(false));
        // RFC 8878 3.1.1.1.1: bit 2 of the frame header descriptor; the checksum is the frame's last 4 bytes.
        assert_eq!((with[4] & 4, without[4] & 4), (4, 0));
        assert_eq!((with[4] & !4, &with[5..with.len() - 4]), (without[4], &without[5..]));
    }

    #[test]
    fn unsupported_levels_are_rejected() {
        for compression in [zstd(0), zstd(23), Compression::ZlibOpen { level: 10 }, zlib(10), deflate_12(0)] {
            assert!(
                matches!(BlockCompressor::new(compression).err(), Some(CompressError::Level { .. })),
                "{compression:?}"
            );
        }
    }

    #[test]
    fn the_memory_bound_of_zstd_contexts_holds() {
        let block = vec![7; 2 << 20];
        for level in 1..=22 {
            let compression = zstd(level);
            let mut compressor = BlockCompressor::new(compression).unwrap();
            compressor.append(&block, &mut Vec::new()).unwrap();
            let Encoder::Zstd(compressor) = &mut compressor.0 else {
                unreachable!("it compresses with zstd")
            };
            let held = compressor.context_mut().sizeof() as u64;
            assert!(held <= context_bytes(compression), "level {level}: {held}");
        }
    }

    #[test]
    fn an_open_zlib_stream_ends_with_a_sync_flush() {
        let mut out = Vec::new();
        BlockCompressor::new(Compression::ZlibOpen { level: 6 })
            .unwrap()
            .append(&[7; 4096], &mut out)
            .unwrap();
        assert_eq!(out[0], 0x78, "RFC 1950 head");
        assert_eq!(out[out.len() - 4..], [0, 0, 0xff, 0xff], "an empty stored block");
    }

    /// Open deflate streams can be concatenated, in any number: a ZVHD is written so.
    #[test]
    fn open_deflate_streams_are_one_stream_after_a_zlib_header() {
        let blocks: Vec<Vec<u8>> =
            (1..6u32).map(|n| (0..70_000 * n).map(|at| (at.wrapping_mul(at) / n) as u8).collect()).collect();
        let mut compressor = BlockCompressor::new(Compression::DeflateOpen { level: 6 }).unwrap();
        let mut stream = vec![0x78, 0x9c];
        blocks.iter().for_each(|block| compressor.append(block, &mut stream).unwrap());
        let mut out = vec![0; 70_000 * 15];
        let mut decoder = flate2::Decompress::new(true);
        decoder.decompress(&stream, &mut out, flate2::FlushDecompress::Sync).unwrap();
        assert_eq!(decoder.total_out(), out.len() as u64);
        assert!(out == blocks.concat());
    }

    /// libdeflate accepts finished streams with a matching checksum only.
    #[test]
    fn a_zlib_stream_is_finished_and_ends_with_its_checksum() {
        let block = b"abcd".repeat(20_000);
        for level in 1..=9 {
            let mut out = Vec::new();
            BlockCompressor::new(zlib(level)).unwrap().append(&block, &mut out).unwrap();
            assert_eq!((out[0], u16::from_be_bytes([out[0], out[1]]) % 31), (0x78, 0), "RFC 1950 head");
            let mut back = vec![0; block.len()];
            let len = libdeflater::Decompressor::new().zlib_decompress(&out, &mut back).unwrap();
            assert!(len == block.len() && back == block, "level {level}");
        }
    }

    #[test]
    fn a_reused_context_compresses_the_same() {
        let blocks = [vec![1u8; 1 << 16], (0..1 << 16).map(|n: u32| ((n * n) >> 7) as u8).collect()];
        for compression in [
            zstd(3),
            Compression::ZlibOpen { level: 6 },
            Compression::DeflateOpen { level: 6 },
            zlib(6),
            deflate_12(6),
        ] {
            let mut used = BlockCompressor::new(compression).unwrap();
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for block in [&blocks[0], &blocks[1], &blocks[0]] {
                used.append(block, &mut a).unwrap();
                BlockCompressor::new(compression).unwrap().append(block, &mut b).unwrap();
                assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn noise_stays_within_the_bound() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(2 << 20)
        .collect();
        let open = |level| Compression::ZlibOpen { level };
        let all = [zstd(3), open(1), open(9), zlib(1), zlib(9), deflate_12(1), deflate_12(9)];
        for compression in all {
            let mut out = Vec::new();
            BlockCompressor::new(compression).unwrap().append(&noise, &mut out).unwrap();
            assert!(
                out.len() > noise.len() && out.len() as u64 <= compress_bound(compression, 2 << 20),
                "{compression:?} {}",
                out.len()
            );
        }
    }
}

//! A writer of ZVHD and ZVHD2, from the facts of their layout.

use flate2::{Compress, Compression, FlushCompress};

const PAGE: usize = 4096;
const BLOCK: usize = 2 << 20;

/// How payloads are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZvhdCompression {
    /// zstd, one frame each, without a content checksum, as the vendor's writer makes them.
    Zstd,
    /// zstd, one frame each, with a content checksum.
    ZstdChecked,
    /// zlib, one flushed stream each.
    Zlib,
    /// zlib, one finished stream each: readers take it.
    ZlibFinished,
}

fn header(cookie: [u8; 8], size: u64, zvhd2: Option<ZvhdCompression>) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let size = size.next_multiple_of(512);
    page[..8].copy_from_slice(&cookie);
    page[8..12].copy_from_slice(&2u32.to_le_bytes());
    page[12..16].copy_from_slice(&0x1_0000u32.to_le_bytes());
    page[16..24].fill(0xff);
    page[24..28].copy_from_slice(&700_000_000u32.to_le_bytes());
    page[28..32].copy_from_slice(b"tap\0");
    page[32..36].copy_from_slice(&0x1_0004u32.to_le_bytes());
    page[40..48].copy_from_slice(&size.to_le_bytes());
    page[48..56].copy_from_slice(&size.next_multiple_of(1 << 30).to_le_bytes());
    page[60..64].copy_from_slice(&4u32.to_le_bytes());
    page[68..84].copy_from_slice(&[0x5a; 16]);
    if let Some(compression) = zvhd2 {
        page[87] = 1;
        page[88..92].copy_from_slice(&(BLOCK as u32).to_le_bytes());
        page[92..96].copy_from_slice(&(size.div_ceil(BLOCK as u64) as u32).to_le_bytes());
        page[141] = u8::from(matches!(compression, ZvhdCompression::Zstd | ZvhdCompression::ZstdChecked));
    }
    seal(&mut page);
    page
}

/// Puts the right checksum in.
pub fn seal(page: &mut [u8]) {
    page[64..68].fill(0);
    let sum: u32 = page[..512].iter().map(|byte| u32::from(*byte)).sum();
    page[64..68].copy_from_slice(&(!sum).to_le_bytes());
}

/// A record; the padding is not zero, as in files of the vendor's writer.
pub(crate) fn record(block: u32, payload: &[u8]) -> Vec<u8> {
    let mut record = b"hwstream bg\0".to_vec();
    record.extend((payload.len() as u32).to_le_bytes());
    record.extend(block.to_le_bytes());
    record.extend([0; 28]);
    record.extend(payload);
    let len = (record.len() + 4).next_multiple_of(PAGE);
    record.resize(len - 4, 0xcd);
    record.extend(b"end\0");
    record
}

/// Blocks that are not all zeros, filled up to a whole block.
fn blocks(disk: &[u8]) -> impl Iterator<Item = (u32, Vec<u8>)> {
    (0..).zip(disk.chunks(BLOCK)).filter(|(_, block)| block.iter().any(|byte| *byte != 0)).map(
        |(index, block)| {
            let mut whole = block.to_vec();
            whole.resize(BLOCK, 0);
            (index, whole)
        },
    )
}

fn flushed(compress: &mut Compress, block: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut payload = Vec::with_capacity(block.len() + block.len() / 8 + 1024);
    compress.compress_vec(block, &mut payload, flush).expect("a block in memory compresses");
    payload
}

/// One stream over all records.
pub fn zvhd(disk: &[u8]) -> Vec<u8> {
    stream(disk, FlushCompress::Sync)
}

/// The same, and the stream is finished in the last record.
pub fn zvhd_finished(disk: &[u8]) -> Vec<u8> {
    stream(disk, FlushCompress::Finish)
}

fn stream(disk: &[u8], end: FlushCompress) -> Vec<u8> {
    let page = header(*b"stream\0\0", disk.len() as u64, None);
    let mut stream = Compress::new(Compression::new(6), true);
    let mut file = page.clone();
    let mut blocks = blocks(disk).peekable();
    while let Some((index, block)) = blocks.next() {
        let flush = if blocks.peek().is_none() { end } else { FlushCompress::Sync };
        file.extend(record(index, &flushed(&mut stream, &block, flush)));
    }
    file.extend(page);
    file
}

/// One block as a payload.
///
/// # Panics
/// If it cannot be compressed, which does not happen in memory.
pub fn compress(compression: ZvhdCompression, block: &[u8]) -> Vec<u8> {
    let zlib = || Compress::new(Compression::new(6), true);
    match compression {
        ZvhdCompression::Zstd => zstd::bulk::compress(block, 3).expect("a block in memory compresses"),
        ZvhdCompression::ZstdChecked => {
            let mut encoder = zstd::bulk::Compressor::new(3).expect("level 3 exists");
            encoder.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).expect("a flag is set");
            encoder.compress(block).expect("a block in memory compresses")
        }
        ZvhdCompression::Zlib => flushed(&mut zlib(), block, FlushCompress::Sync),
        ZvhdCompression::ZlibFinished => flushed(&mut zlib(), block, FlushCompress::Finish),
    }
}

/// Records, index, bitmap.
pub fn zvhd2(disk: &[u8], compression: ZvhdCompression) -> Vec<u8> {
    let payloads: Vec<_> =
        blocks(disk).map(|(index, block)| (index, compress(compression, &block))).collect();
    zvhd2_of(disk.len() as u64, compression, &payloads)
}

/// The same with payloads that are compressed already.
pub fn zvhd2_of(size: u64, compression: ZvhdCompression, payloads: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let first = header(*b"z2strm\0\0", size, Some(compression));
    let mut file = first.clone();
    let (mut index, mut bits) = (Vec::new(), Vec::new());
    let segments = size.div_ceil(BLOCK as u64).div_ceil(32768) as usize;
    bits.resize(segments * PAGE, 0u8);
    for (block, payload) in payloads {
        let record = record(*block, payload);
        index.extend((file.len() as u64).to_le_bytes());
        index.extend(block.to_le_bytes());
        index.extend((record.len() as u32).to_le_bytes());
        bits[*block as usize / 8] |= 1 << (block % 8);
        file.extend(record);
    }
    // The checksum stays that of the first page, as the vendor's writer leaves it.
    let mut middle = first.clone();
    middle[136..140].copy_from_slice(&(payloads.len() as u32).to_le_bytes());
    file.extend(middle);
    index.resize(index.len().next_multiple_of(524_288), 0);
    let mut last = first;
    let index_at = file.len() as u64;
    let mut put = |at: usize, bytes: &[u8]| last[at..at + bytes.len()].copy_from_slice(bytes);
    put(96, &index_at.to_le_bytes());
    put(104, &(index_at + index.len() as u64).to_le_bytes());
    put(112, &(index.len() as u32).to_le_bytes());
    put(116, &(bits.len() as u32).to_le_bytes());
    put(120, &524_288u32.to_le_bytes());
    put(124, &4096u32.to_le_bytes());
    put(128, &((index.len() / 524_288) as u32).to_le_bytes());
    put(132, &(segments as u32).to_le_bytes());
    put(136, &(payloads.len() as u32).to_le_bytes());
    seal(&mut last);
    file.extend(index);
    file.extend(bits);
    file.extend(last);
    file
}

//! A strict checker of ZVHD and ZVHD2 files that shares nothing with the reader and the writer under test: every rule is
//! written down a second time, from what is known of the vendor's files.
//!
//! The first rule that a file breaks is the result, in words. A file that breaks none is decompressed.

use flate2::{Decompress, FlushDecompress, Status};

const PAGE: usize = 4096;
const BLOCK: usize = 2 << 20;
const GIB: u64 = 1 << 30;
const PER_SEGMENT: usize = 32768;

/// Who wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The vendor's converter: what nothing reads can be anything.
    Vendor,
    /// This project: what nothing reads is zeros.
    Ours,
}

/// A file that breaks no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictImage {
    /// Bytes of the disk, a multiple of 512.
    pub original_size: u64,
    /// Seconds since 2000-01-01 00:00 UTC.
    pub time_stamp: u32,
    /// The disk's uuid.
    pub uuid: [u8; 16],
    /// The stored blocks of 2 MiB, with their numbers, ascending.
    pub blocks: Vec<(u32, Vec<u8>)>,
    /// How many of the payloads are zstd frames with a content checksum.
    pub checksums: usize,
}

impl StrictImage {
    /// The disk.
    ///
    /// # Panics
    /// If it does not fit into memory.
    pub fn disk(&self) -> Vec<u8> {
        let len = usize::try_from(self.original_size).expect("a small disk");
        let mut disk = vec![0; len.next_multiple_of(BLOCK)];
        for (number, block) in &self.blocks {
            disk[*number as usize * BLOCK..][..BLOCK].copy_from_slice(block);
        }
        disk.truncate(len);
        disk
    }
}

type Checked<T> = Result<T, String>;

fn need(is_so: bool, rule: &str, at: usize) -> Checked<()> {
    if is_so { Ok(()) } else { Err(format!("at {at}: {rule}")) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn page(file: &[u8], at: usize) -> Checked<&[u8]> {
    file.get(at..at + PAGE).ok_or_else(|| format!("at {at}: no whole page"))
}

/// Checks a file and decompresses it.
pub fn check_zvhd_strictly(file: &[u8], writer: Writer) -> Checked<StrictImage> {
    match file.get(..8) {
        Some(b"stream\0\0") => zvhd(file, writer),
        Some(b"z2strm\0\0") => zvhd2(file, writer),
        _ => Err("at 0: no cookie".into()),
    }
}

/// The rules of a header page, its checksum among them.
fn header(file: &[u8], at: usize, cookie: [u8; 8], writer: Writer) -> Checked<&[u8]> {
    let page = page(file, at)?;
    let sum: u32 = page[..64].iter().chain(&page[68..512]).map(|byte| u32::from(*byte)).sum();
    need(u32_at(page, 64) == !sum, "a wrong checksum", at)?;
    fields(page, at, cookie, writer)?;
    Ok(page)
}

fn fields(page: &[u8], at: usize, cookie: [u8; 8], writer: Writer) -> Checked<()> {
    need(page[..8] == cookie, "another cookie", at)?;
    need(u32_at(page, 8) == 2, "features are not 2", at)?;
    need(u32_at(page, 12) == 0x0001_0000, "the format version is not 1.0", at)?;
    need(u64_at(page, 16) == u64::MAX, "the data offset is not all ones", at)?;
    need(page[28..32] == *b"tap\0", "the application is not tap", at)?;
    need(matches!(u32_at(page, 32), 0x0001_0003 | 0x0001_0004), "not version 1.3 or 1.4 of it", at)?;
    need(u32_at(page, 36) == 0, "a creator OS", at)?;
    let (original, current) = (u64_at(page, 40), u64_at(page, 48));
    need(original.is_multiple_of(512), "the original size is no whole sectors", at)?;
    need(current == original.div_ceil(GIB) * GIB, "the current size is not the next whole GiB", at)?;
    // The vendor's writer computes with 32 bits.
    if writer == Writer::Ours || original < 2 << 40 {
        need(u32_at(page, 56) == geometry(original), "another geometry", at)?;
    }
    need(u32_at(page, 60) == 4, "the disk type is not 4", at)?;
    need(page[84..87] == [0; 3], "flags are set", at)?;
    let used = if cookie == *b"stream\0\0" { 87 } else { 142 };
    need(page[used..512].iter().all(|byte| *byte == 0), "bytes after the fields", at)?;
    need(writer == Writer::Vendor || page[512..].iter().all(|byte| *byte == 0), "bytes after the header", at)
}

/// "CHS Calculation" of the VHD specification.
fn geometry(size: u64) -> u32 {
    let sectors = (size / 512).clamp(1, 65535 * 16 * 255);
    let (mut tracks, mut heads, mut per_track) = (sectors / 255, 16, 255);
    if sectors < 65535 * 16 * 63 {
        per_track = 17;
        tracks = sectors / 17;
        heads = tracks.div_ceil(1024).max(4);
        if tracks >= heads * 1024 || heads > 16 {
            (per_track, heads, tracks) = (31, 16, sectors / 31);
        }
        if tracks >= heads * 1024 {
            (per_track, heads, tracks) = (63, 16, sectors / 63);
        }
    }
    ((tracks / heads) << 16 | heads << 8 | per_track) as u32
}

/// A record: its block, its payload, its length on disk.
fn record(file: &[u8], at: usize, writer: Writer) -> Checked<(u32, &[u8], usize)> {
    let head = file.get(at..at + 48).ok_or_else(|| format!("at {at}: no record head"))?;
    need(head[..12] == *b"hwstream bg\0", "no record", at)?;
    need(head[20..] == [0; 28], "bytes after the record's fields", at)?;
    let (len, block) = (u32_at(head, 12) as usize, u32_at(head, 16));
    need(len > 0, "an empty payload", at)?;
    let whole = (48 + len + 4).next_multiple_of(PAGE);
    let record = file.get(at..at + whole).ok_or_else(|| format!("at {at}: the record is cut"))?;
    let (rest, mark) = record[48 + len..].split_at(whole - 4 - 48 - len);
    need(mark == b"end\0", "no end mark", at + whole - 4)?;
    need(writer == Writer::Vendor || rest.iter().all(|byte| *byte == 0), "bytes in the padding", at)?;
    Ok((block, &record[48..48 + len], whole))
}

/// One block out of a zlib stream that is flushed and not finished.
fn inflate(stream: &mut Decompress, payload: &[u8], at: usize) -> Checked<Vec<u8>> {
    let before = stream.total_in();
    let mut block = Vec::with_capacity(BLOCK + 1);
    let status = stream
        .decompress_vec(payload, &mut block, FlushDecompress::Sync)
        .map_err(|error| format!("at {at}: {error}"))?;
    need(status != Status::StreamEnd, "the zlib stream is finished", at)?;
    need(stream.total_in() - before == payload.len() as u64, "bytes are left over", at)?;
    need(block.len() == BLOCK, "not one block", at)?;
    need(payload.ends_with(&[0, 0, 0xff, 0xff]), "no sync flush at the end", at)?;
    Ok(block)
}

/// One block out of one zstd frame, and whether that has a checksum.
fn frame(payload: &[u8], at: usize) -> Checked<(Vec<u8>, bool)> {
    let len = zstd::zstd_safe::find_frame_compressed_size(payload);
    need(len == Ok(payload.len()), "not exactly one zstd frame", at)?;
    let block = zstd::bulk::decompress(payload, BLOCK).map_err(|error| format!("at {at}: {error}"))?;
    need(block.len() == BLOCK, "not one block", at)?;
    Ok((block, payload[4] & 4 != 0))
}

/// What holds for every stored block.
fn stored(block: &[u8], number: u32, header: &[u8], at: usize) -> Checked<()> {
    let original = u64_at(header, 40);
    let start = u64::from(number) * BLOCK as u64;
    need(start < original, "a block after the end of the disk", at)?;
    need(block.iter().any(|byte| *byte != 0), "a block of zeros is stored", at)?;
    let inside = usize::try_from((original - start).min(BLOCK as u64)).expect("at most a block");
    need(block[inside..].iter().all(|byte| *byte == 0), "bytes after the end of the disk", at)
}

fn image(header: &[u8], blocks: Vec<(u32, Vec<u8>)>, checksums: usize) -> StrictImage {
    StrictImage {
        original_size: u64_at(header, 40),
        time_stamp: u32_at(header, 24),
        uuid: header[68..84].try_into().expect("16 bytes"),
        blocks,
        checksums,
    }
}

fn zvhd(file: &[u8], writer: Writer) -> Checked<StrictImage> {
    let first = header(file, 0, *b"stream\0\0", writer)?;
    let (mut at, mut stream, mut blocks) = (PAGE, Decompress::new(true), Vec::<(u32, Vec<u8>)>::new());
    while !page(file, at)?.starts_with(b"stream\0\0") {
        let (number, payload, whole) = record(file, at, writer)?;
        need(blocks.last().is_none_or(|(last, _)| *last < number), "blocks do not ascend", at)?;
        let block = inflate(&mut stream, payload, at)?;
        stored(&block, number, first, at)?;
        blocks.push((number, block));
        at += whole;
    }
    need(first[..512] == header(file, at, *b"stream\0\0", writer)?[..512], "the last page differs", at)?;
    need(at + PAGE == file.len(), "bytes after the last page", at + PAGE)?;
    Ok(image(first, blocks, 0))
}

fn zvhd2(file: &[u8], writer: Writer) -> Checked<StrictImage> {
    const COOKIE: &[u8; 8] = b"z2strm\0\0";
    let first = header(file, 0, *COOKIE, writer)?;
    let last_at = file.len().checked_sub(PAGE).ok_or("the file is too short")?;
    let last = header(file, last_at, *COOKIE, writer)?;
    need(first[87] == 1 && u32_at(first, 88) as usize == BLOCK, "another version or block size", 87)?;
    need(first[96..141] == [0; 45], "the first page has fields of the last one", 96)?;
    need(first[..64] == last[..64] && first[68..96] == last[68..96], "first and last page differ", last_at)?;
    need(first[141] == last[141], "first and last page differ in the compression", last_at)?;
    let blocks = u64_at(first, 40).div_ceil(BLOCK as u64) as usize;
    need(u32_at(first, 92) as usize == blocks, "another block count", 92)?;
    let (index_at, bitmap_at, data_blocks) = tables(last, last_at, blocks)?;

    // The page after the records: the first page, with the count of data blocks and the checksum of the first page.
    let middle_at = index_at.checked_sub(PAGE).ok_or("no page after the records")?;
    let mut middle = first[..512].to_vec();
    middle[136..140].copy_from_slice(&last[136..140]);
    need(page(file, middle_at)?[..512] == middle, "another page after the records", middle_at)?;

    let bitmap = &file[bitmap_at..last_at];
    let numbers: Vec<_> = (0..bitmap.len() * 8).filter(|n| bitmap[n / 8] >> (n % 8) & 1 == 1).collect();
    need(numbers.len() == data_blocks, "another count of data blocks", bitmap_at)?;
    let unused = &file[index_at + data_blocks * 16..bitmap_at];
    need(writer == Writer::Vendor || unused.iter().all(|byte| *byte == 0), "unused index entries", index_at)?;

    let (mut at, mut stored_blocks, mut checksums) = (PAGE, Vec::new(), 0);
    for (rank, wanted) in numbers.into_iter().enumerate() {
        let entry = &file[index_at + rank * 16..][..16];
        let (number, payload, whole) = record(file, at, writer)?;
        need(number as usize == wanted && u32_at(entry, 8) == number, "another block", at)?;
        need(u64_at(entry, 0) == at as u64 && u32_at(entry, 12) as usize == whole, "another entry", at)?;
        let (block, has_checksum) = match first[141] {
            0 => (inflate(&mut Decompress::new(true), payload, at)?, false),
            1 => frame(payload, at)?,
            _ => return Err("at 141: an unknown compression".into()),
        };
        stored(&block, number, first, at)?;
        checksums += usize::from(has_checksum);
        stored_blocks.push((number, block));
        at += whole;
    }
    need(at == middle_at, "the page after the records does not follow them", at)?;
    Ok(image(first, stored_blocks, checksums))
}

/// The offsets of index and bitmap, and the number of stored blocks.
fn tables(last: &[u8], last_at: usize, blocks: usize) -> Checked<(usize, usize, usize)> {
    let field = |at: usize| u32_at(last, at) as usize;
    let (data_blocks, bitmap_segments) = (field(136), blocks.div_ceil(PER_SEGMENT));
    let index_segments = data_blocks.div_ceil(PER_SEGMENT);
    need(field(120) == 524_288 && field(124) == 4096, "other segment sizes", last_at + 120)?;
    need(field(128) == index_segments && field(132) == bitmap_segments, "other counts of segments", last_at)?;
    need(field(112) == index_segments * 524_288, "another index size", last_at + 112)?;
    need(field(116) == bitmap_segments * 4096, "another bitmap size", last_at + 116)?;
    need(last[140] == 0, "an index with zero blocks", last_at + 140)?;
    let bitmap_at = last_at.checked_sub(field(116)).ok_or("a bitmap longer than the file")?;
    let index_at = bitmap_at.checked_sub(field(112)).ok_or("an index longer than the file")?;
    need(u64_at(last, 104) == bitmap_at as u64, "the bitmap is elsewhere", last_at + 104)?;
    need(u64_at(last, 96) == index_at as u64, "the index is elsewhere", last_at + 96)?;
    Ok((index_at, bitmap_at, data_blocks))
}

//! ZVHD2: records, index and bitmap, described by the last page of the file.

use alloc::boxed::Box;
use alloc::format;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Codec, CompressedLen, DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, Image,
    ParseOptions, Parsed, ReadAt, Source, StructureCounts, UseKind, Visitor,
};

use crate::check::{Marks, Reporter};
use crate::header::{Sizes, facts, read, require};
use crate::index::{Index, Segment};
use crate::layout::ZVHD2;
use crate::layout::{
    BITMAP_SEGMENT, BLOCK, COOKIE_ZVHD2, ENTRY_BYTES, INDEX_SEGMENT, PAGE, PER_SEGMENT, RawHeader,
};
use crate::record::Record;
use crate::zvhd1::file_use;
use crate::{Corrupt, Unsupported};

/// Minimum file length: first page, header page after the records, last page.
const SMALLEST: u64 = 3 * PAGE;

/// Parses a ZVHD2 from its last page.
///
/// Fails if the first page or the number of bits in the bitmap differs from the last page.
pub(crate) fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    if file.len() < SMALLEST {
        return Err(Corrupt::TooShort { format: ZVHD2, expected: SMALLEST, file_len: file.len() }.into());
    }
    let page = file.len() - PAGE;
    let first = read(file, 0, *COOKIE_ZVHD2)?;
    let last = read(file, page, *COOKIE_ZVHD2)?;
    let codec = supported(&last, page)?;
    agree(&first, &last)?;
    let sizes = Sizes::validate(&last, page)?;
    let middle = tables(&last, page, &sizes)?;
    let places = (last.index_offset, last.bitmap_offset);
    let index = Index::read(file, places, sizes.blocks, last.data_blocks, PAGE..middle)?;
    let size = sizes.chosen(options);
    let name = if codec == Codec::Zstd { "zstd" } else { "zlib" };
    let mut facts = facts(ZVHD2, format!("{name} records"), &last, &sizes, u64::from(last.data_blocks));
    facts.details.push(("compression-type", imgprep_map::Value::Text(name.into())));
    let marks = Marks::new(&last, page);
    let data_blocks = last.data_blocks.into();
    let map =
        Map { size, data_end: sizes.original, codec, middle, last_page: page, index, marks, data_blocks };
    Ok(Parsed::Done(Box::new(Image::new(facts, map))))
}

fn supported(last: &RawHeader, page: u64) -> Result<Codec, Unsupported> {
    if last.zvhd2_version != 1 {
        return Err(Unsupported::Version { at: page + 87, version: last.zvhd2_version });
    }
    if u64::from(last.block_size) != BLOCK {
        return Err(Unsupported::BlockSize { at: page + 88, block_size: last.block_size });
    }
    if last.index_has_zeros != 0 {
        return Err(Unsupported::IndexWithZeros { at: page + 140, flag: last.index_has_zeros });
    }
    match last.compression {
        0 => Ok(Codec::ZlibOpen),
        1 => Ok(Codec::Zstd),
        method => Err(Unsupported::Compression { at: page + 141, method }),
    }
}

/// Rejects a first page that differs from the last one. Offsets are in the first.
fn agree(first: &RawHeader, last: &RawHeader) -> Result<(), Corrupt> {
    require(0, 40, "original size", last.original_size, first.original_size)?;
    require(0, 48, "current size", last.current_size, first.current_size)?;
    let low = |uuid: &[u8; 16]| uuid.iter().fold(0u64, |hash, byte| hash.rotate_left(7) ^ u64::from(*byte));
    if first.uuid != last.uuid {
        return Err(Corrupt::Field {
            at: 68,
            field: "uuid (hashed)",
            expected: low(&last.uuid),
            found: low(&first.uuid),
        });
    }
    require(0, 87, "version", u64::from(last.zvhd2_version), u64::from(first.zvhd2_version))?;
    require(0, 88, "block size", u64::from(last.block_size), u64::from(first.block_size))?;
    require(0, 92, "block count", u64::from(last.block_count), u64::from(first.block_count))?;
    require(0, 141, "compression", u64::from(last.compression), u64::from(first.compression))
}

/// Checks sizes and offsets of the tables.
///
/// `page` is the file offset of the last page. Returns the file offset of the header page before the tables. Fails if
/// the sizes do not match the numbers of blocks, or if the tables do not directly precede the last page.
fn tables(last: &RawHeader, page: u64, sizes: &Sizes) -> Result<u64, Corrupt> {
    let check = |at, field, expected: u64, found: u32| require(page, at, field, expected, u64::from(found));
    check(92, "block count", sizes.blocks, last.block_count)?;
    check(120, "index segment size", u64::from(INDEX_SEGMENT), last.index_segment)?;
    check(124, "bitmap segment size", u64::from(BITMAP_SEGMENT), last.bitmap_segment)?;
    let index_segments = u64::from(last.data_blocks).div_ceil(PER_SEGMENT);
    let bitmap_segments = sizes.blocks.div_ceil(PER_SEGMENT);
    check(128, "index segments", index_segments, last.index_segments)?;
    check(132, "bitmap segments", bitmap_segments, last.bitmap_segments)?;
    check(112, "index size", index_segments * u64::from(INDEX_SEGMENT), last.index_size)?;
    check(116, "bitmap size", bitmap_segments * u64::from(BITMAP_SEGMENT), last.bitmap_size)?;
    // Checked from the end: the last page follows the bitmap, which follows the index.
    let place = |at, field, end: u64, len: u32, found: u64| {
        let expected = end.checked_sub(u64::from(len)).unwrap_or(PAGE);
        require(page, at, field, expected, found).map(|()| expected)
    };
    let bitmap_at = place(104, "bitmap offset", page, last.bitmap_size, last.bitmap_offset)?;
    let index_at = place(96, "index offset", bitmap_at, last.index_size, last.index_offset)?;
    if index_at < 2 * PAGE {
        return Err(Corrupt::Field {
            at: page + 96,
            field: "index offset",
            expected: 2 * PAGE,
            found: index_at,
        });
    }
    Ok(index_at - PAGE)
}

struct Map {
    size: u64,
    /// The original size in bytes: the end of the blocks, even if the disk is larger.
    data_end: u64,
    codec: Codec,
    /// File offset of the header page after the records.
    middle: u64,
    last_page: u64,
    index: Index,
    marks: Marks,
    data_blocks: u64,
}

const NOTHING: Source = Source::Zero { explicit: false };

impl Map {
    fn source(&self, record: &Record) -> Source {
        let start = u64::from(record.block) * BLOCK;
        Source::Compressed {
            file: FileId::SELF,
            at: record.payload_at(),
            len: CompressedLen::Exact(record.payload),
            codec: self.codec,
            block: start..start + BLOCK,
        }
    }

    /// Calls `each` with number and rank of each stored block in `first..end`.
    fn stored(
        &self,
        file: &dyn ReadAt,
        first: u64,
        end: u64,
        each: &mut dyn FnMut(u64, u64) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let mut block = first;
        while block < end {
            let segment = block / PER_SEGMENT;
            let bits = self.index.segment(file, segment)?;
            let segment_end = ((segment + 1) * PER_SEGMENT).min(end);
            let mut rank = self.index.rank(segment, block % PER_SEGMENT, &bits);
            while block < segment_end {
                if block.is_multiple_of(8) && byte_of(&bits, block) == 0 {
                    block = (block + 8).min(segment_end);
                    continue;
                }
                if byte_of(&bits, block) >> (block % 8) & 1 == 1 {
                    if each(block, rank)?.is_break() {
                        return Ok(());
                    }
                    rank += 1;
                }
                block += 1;
            }
        }
        Ok(())
    }
}

fn byte_of(bits: &Segment, block: u64) -> u8 {
    // OK: the modulus keeps the index below the length of the segment, so that the fallback is never used.
    usize::try_from(block % PER_SEGMENT / 8).map_or(0, |byte| bits[byte])
}

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        PER_SEGMENT * BLOCK
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start / BLOCK;
        ExtentBuilder::visit(range, self.size, first * BLOCK, visitor, |range, builder| {
            let end = range.end.div_ceil(BLOCK).min(self.index.blocks);
            self.stored(file, first, end, &mut |block, rank| {
                let start = block * BLOCK;
                if builder.at() < start && builder.push(start - builder.at(), NOTHING).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                let lost = start.max(range.start)..(start + BLOCK).min(self.data_end).min(range.end);
                let record = self.index.record(file, block, rank).map_err(|error| error.hitting(lost))?;
                Ok(builder.push(BLOCK, self.source(&record)))
            })?;
            if builder.at() < range.end {
                let _ = builder.push(range.end - builder.at(), NOTHING);
            }
            Ok(())
        })
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let tables = [
            (0..PAGE, "header page"),
            (self.middle..self.middle + PAGE, "header page"),
            (self.index.entries_at..self.index.bitmap_at, "index"),
            (self.index.bitmap_at..self.last_page, "bitmap"),
            (self.last_page..self.last_page + PAGE, "header page"),
        ];
        for (range, name) in tables.into_iter().filter(|(range, _)| !range.is_empty()) {
            let kind = UseKind::Metadata(name);
            if visitor(FileUse { file: FileId::SELF, range, kind, disk: None }).is_break() {
                return Ok(());
            }
        }
        self.stored(file, 0, self.index.blocks, &mut |block, rank| {
            // Records that `visit` rejects are skipped.
            Ok(self
                .index
                .record(file, block, rank)
                .map_or(ControlFlow::Continue(()), |record| visitor(file_use(&record))))
        })
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
        let mut reporter = Reporter(found);
        let rest = self.index.entries_at + self.data_blocks * ENTRY_BYTES;
        if reporter.marks(&self.marks).is_break()
            || reporter.middle(file, self.middle)?.is_break()
            || reporter.index_rest(file, rest, self.index.bitmap_at)?.is_break()
        {
            return Ok(StructureCounts::default());
        }
        let (mut expected, mut is_over) = (Some(PAGE), false);
        self.stored(file, 0, self.index.blocks, &mut |block, rank| {
            let Ok(record) = self.index.record(file, block, rank) else {
                // `visit` reports this record. The expected offset of the next one is unknown.
                expected = None;
                return Ok(ControlFlow::Continue(()));
            };
            let place = expected.map_or(ControlFlow::Continue(()), |end| reporter.place(end, record.at));
            expected = Some(record.at + record.len);
            is_over = place.is_break() || reporter.size(&record).is_break();
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if let Some(end) = expected.filter(|_| !is_over) {
            let _ = reporter.last(end, self.middle);
        }
        Ok(StructureCounts::default())
    }
}

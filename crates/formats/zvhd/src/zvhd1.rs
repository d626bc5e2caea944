//! ZVHD: a header page, the records of one zlib stream, the header page again.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Codec, CompressedLen, DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, Image,
    ParseOptions, Parsed, ReadAt, Source, StructureCounts, UseKind, Visitor,
};

use crate::check::{Marks, Reporter};
use crate::header::{Sizes, facts, read, require};
use crate::layout::ZVHD;
use crate::layout::{BLOCK, COOKIE_ZVHD, PAGE};
use crate::record::Record;
use crate::{Corrupt, Unsupported};

/// Parses a ZVHD in one pass over the record heads and end marks; skips the payloads.
pub(crate) fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    if file.len() < 2 * PAGE {
        return Err(Corrupt::TooShort { format: ZVHD, expected: 2 * PAGE, file_len: file.len() }.into());
    }
    let raw = read(file, 0, *COOKIE_ZVHD)?;
    let sizes = Sizes::validate(&raw, 0)?;
    let limit = options.limits.resident_bytes / size_of::<Record>() as u64;
    let (records, end) = scan(file, &sizes, limit)?;
    let last = read(file, end, *COOKIE_ZVHD)?;
    require(end, 40, "original size", raw.original_size, last.original_size)?;
    require(end, 48, "current size", raw.current_size, last.current_size)?;
    if end + PAGE < file.len() {
        return Err(Corrupt::Trailing { at: end + PAGE, found: file.len() - end - PAGE }.into());
    }
    let size = sizes.chosen(options);
    let facts = facts(ZVHD, "one zlib stream".to_string(), &raw, &sizes, records.len() as u64);
    let map = Map { size, records, last_header: end, marks: Marks::new(&raw, 0) };
    Ok(Parsed::Done(Box::new(Image::new(facts, map))))
}

/// All records, and the file offset of the header page after them.
///
/// Fails if there are more than `limit` records.
fn scan(file: &dyn ReadAt, sizes: &Sizes, limit: u64) -> Result<(Vec<Record>, u64), Error> {
    let mut records: Vec<Record> = Vec::new();
    let mut at = PAGE;
    loop {
        if at.checked_add(PAGE).is_none_or(|end| end > file.len()) {
            return Err(Corrupt::NoHeader { at: at.min(file.len()), found: [0; 8] }.into());
        }
        if file.array(at)? == *COOKIE_ZVHD {
            return Ok((records, at));
        }
        let record = Record::read(file, at, file.len())?;
        let before = records.last().map_or(0, |last| u64::from(last.block) + 1);
        let found = u64::from(record.block);
        if found < before || found >= sizes.blocks {
            return Err(Corrupt::RecordOrder { at: at + 16, before, blocks: sizes.blocks, found }.into());
        }
        if records.len() as u64 >= limit {
            return Err(Unsupported::TooManyRecords { at, limit }.into());
        }
        records.push(record);
        at += record.len;
    }
}

struct Map {
    size: u64,
    /// In ascending order of blocks, which is also their order in the file.
    records: Vec<Record>,
    last_header: u64,
    marks: Marks,
}

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        BLOCK
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn visit(&self, _: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let first_block = range.start / BLOCK;
        ExtentBuilder::visit(range, self.size, first_block * BLOCK, visitor, |range, builder| {
            let first = self.records.partition_point(|record| u64::from(record.block) < first_block);
            for record in self.records.iter().skip(first) {
                let start = u64::from(record.block) * BLOCK;
                if builder.at() < start && builder.push(start - builder.at(), NOTHING).is_break() {
                    break;
                }
                if builder.push(BLOCK, source(record)).is_break() {
                    break;
                }
            }
            if builder.at() < range.end {
                let _ = builder.push(range.end - builder.at(), NOTHING);
            }
            Ok(())
        })
    }

    fn file_usage(
        &self,
        _: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let headers = [0, self.last_header].into_iter().map(|at| FileUse {
            file: FileId::SELF,
            range: at..at + PAGE,
            kind: UseKind::Metadata("header page"),
            disk: None,
        });
        let _ = headers.chain(self.records.iter().map(file_use)).try_for_each(visitor);
        Ok(())
    }

    fn check(
        &self,
        _: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let mut reporter = Reporter(found);
        if reporter.marks(&self.marks).is_continue() {
            let _ = self.records.iter().try_for_each(|record| reporter.size(record));
        }
        Ok(StructureCounts::default())
    }
}

const NOTHING: Source = Source::Zero { explicit: false };

fn source(record: &Record) -> Source {
    let start = u64::from(record.block) * BLOCK;
    Source::Compressed {
        file: FileId::SELF,
        at: record.payload_at(),
        len: CompressedLen::Exact(record.payload),
        codec: Codec::ZlibContinued,
        block: start..start + BLOCK,
    }
}

/// The file usage of a whole record, including its padding.
pub(crate) fn file_use(record: &Record) -> FileUse {
    FileUse {
        file: FileId::SELF,
        range: record.at..record.at + record.len,
        kind: UseKind::Compressed,
        disk: Some(u64::from(record.block) * BLOCK),
    }
}

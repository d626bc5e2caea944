//! Checks for deviations from the files of the vendor's writer.
//!
//! They do not affect reading the disk: gaps between records, the page after the records, sizes and marks of the
//! header. A deviation that the vendor's reader rejects or misreads is an error.

use alloc::format;
use alloc::string::String;
use core::ops::ControlFlow;

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Code, Error, Finding, LastHole, ReadAt, Severity};

use crate::codes;
use crate::layout::{BLOCK, COOKIE_ZVHD2, PAGE, RawHeader};
use crate::record::Record;

/// Granularity of disk sizes in the cloud.
const GIB: u64 = 1 << 30;

/// Maximum length of a record in bytes: the buffers of the vendor's readers.
///
/// The buffer of the ZVHD reader has a page and 4 MiB, the one of the ZVHD2 reader a few pages more. Neither reader
/// checks the length of the record.
const MAX_RECORD: u64 = PAGE + 2 * BLOCK;

/// Disk type of a dynamic disk, as in a VHD footer.
const DYNAMIC: u32 = 4;

/// Header fields that only the check uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// File offset of the header page.
    page: u64,
    original: u64,
    current: u64,
    disk_type: u32,
    application: [u8; 4],
}

impl Marks {
    pub(crate) fn new(raw: &RawHeader, page: u64) -> Self {
        Self {
            page,
            original: raw.original_size,
            current: raw.current_size,
            disk_type: raw.disk_type,
            application: raw.application,
        }
    }
}

/// Receiver of findings.
pub(crate) struct Reporter<'f>(pub(crate) &'f mut dyn FnMut(Finding) -> ControlFlow<()>);

impl Reporter<'_> {
    pub(crate) fn add(
        &mut self,
        code: &'static Code,
        severity: Severity,
        at: u64,
        message: String,
    ) -> ControlFlow<()> {
        (self.0)(Finding { code, severity, at: Some(at), message })
    }

    /// Checks current size, disk type and application, in both formats.
    pub(crate) fn marks(&mut self, marks: &Marks) -> ControlFlow<()> {
        let whole = marks.original.div_ceil(GIB).saturating_mul(GIB);
        if marks.current != whole {
            let message = format!("current size is {}, expected the next whole GiB {whole}", marks.current);
            self.add(codes::HEADER_CURRENT_SIZE, Severity::Error, marks.page + 48, message)?;
        }
        if marks.disk_type != DYNAMIC {
            let message = format!("disk type is {}, expected {DYNAMIC}", marks.disk_type);
            self.add(codes::HEADER_DISK_TYPE, Severity::Warning, marks.page + 60, message)?;
        }
        if marks.application != *b"tap\0" {
            let message = format!("the application is {:02x?}, expected \"tap\"", marks.application);
            self.add(codes::HEADER_APPLICATION, Severity::Warning, marks.page + 28, message)?;
        }
        ControlFlow::Continue(())
    }

    /// Checks the cookie of the header page between the records and the index.
    ///
    /// Its checksum is not checked: it is stale in the vendor's own files.
    pub(crate) fn middle(&mut self, file: &dyn ReadAt, at: u64) -> Result<ControlFlow<()>, Error> {
        let found: [u8; 8] = file.array(at)?;
        if found == *COOKIE_ZVHD2 {
            return Ok(ControlFlow::Continue(()));
        }
        let message = format!("no header page after the records: found {found:02x?}");
        Ok(self.add(codes::HEADER_MIDDLE, Severity::Error, at, message))
    }

    /// Reports a record that begins at `start` instead of `expected`.
    pub(crate) fn place(&mut self, expected: u64, start: u64) -> ControlFlow<()> {
        if start == expected {
            return ControlFlow::Continue(());
        }
        let message = format!("the record begins at {start}, but the one before it ends at {expected}");
        self.add(codes::RECORD_GAP, Severity::Error, start, message)
    }

    /// Reports a record longer than [`MAX_RECORD`].
    ///
    /// Its payload is more than twice as long as the block that it decompresses to.
    pub(crate) fn size(&mut self, record: &Record) -> ControlFlow<()> {
        if record.len <= MAX_RECORD {
            return ControlFlow::Continue(());
        }
        let len = record.len;
        let message =
            format!("the record has {len} bytes, but the vendor's reader supports at most {MAX_RECORD}");
        self.add(codes::RECORD_SIZE, Severity::Error, record.at, message)
    }

    /// Reports a gap between the last record and the header page after the records.
    pub(crate) fn last(&mut self, end: u64, middle: u64) -> ControlFlow<()> {
        if end == middle {
            return ControlFlow::Continue(());
        }
        let message = format!("the last record ends at {end}, but the page after it is at {middle}");
        self.add(codes::RECORD_GAP, Severity::Error, end, message)
    }

    /// Reports nonzero bytes in the unused rest of the last index segment.
    ///
    /// The vendor's writer does not clear this memory, and no reader uses it.
    pub(crate) fn index_rest(
        &mut self,
        file: &dyn ReadAt,
        from: u64,
        end: u64,
    ) -> Result<ControlFlow<()>, Error> {
        if let Some((at, _)) = first_nonzero_in(file, &mut LastHole::default(), from..end)? {
            let message = "bytes follow the index entry of the last data block: they are ignored";
            return Ok(self.add(codes::INDEX_REST, Severity::Note, at, message.into()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

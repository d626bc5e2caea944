//! What a file of the vendor's writer has and reading the disk does not need: records without gaps, the page behind
//! them, sizes and marks of the header. Where the vendor's reader refuses or misreads what is otherwise, that is an error.

use alloc::format;
use alloc::string::String;
use core::ops::ControlFlow;

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Error, Finding, LastHole, ReadAt, Severity};

use crate::layout::{BLOCK, COOKIE_ZVHD2, PAGE, RawHeader};
use crate::record::Record;

/// The cloud's disks are whole GiB.
const GIB: u64 = 1 << 30;

/// The longest record that fits the buffers of the vendor's readers: the ZVHD one has a page and 4 MiB, the ZVHD2 one a
/// few pages more. Neither checks what it reads into them.
const MOST_RECORD: u64 = PAGE + 2 * BLOCK;

/// Disk type of a dynamic disk, as in a VHD footer.
const DYNAMIC: u32 = 4;

/// Fields of the header that only a check reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// Offset of the header page.
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

/// Where findings go.
pub(crate) struct Teller<'f>(pub(crate) &'f mut dyn FnMut(Finding) -> ControlFlow<()>);

impl Teller<'_> {
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        at: u64,
        message: String,
    ) -> ControlFlow<()> {
        (self.0)(Finding { code, severity, at: Some(at), message })
    }

    /// The rules of both formats.
    pub(crate) fn marks(&mut self, marks: &Marks) -> ControlFlow<()> {
        let whole = marks.original.div_ceil(GIB).saturating_mul(GIB);
        if marks.current != whole {
            let message = format!("current size is {}, expected the next whole GiB {whole}", marks.current);
            self.add("zvhd.header.current-size", Severity::Error, marks.page + 48, message)?;
        }
        if marks.disk_type != DYNAMIC {
            let message = format!("disk type is {}, expected {DYNAMIC}", marks.disk_type);
            self.add("zvhd.header.disk-type", Severity::Warning, marks.page + 60, message)?;
        }
        if marks.application != *b"tap\0" {
            let message = format!("the application is {:02x?}, expected \"tap\"", marks.application);
            self.add("zvhd.header.application", Severity::Warning, marks.page + 28, message)?;
        }
        ControlFlow::Continue(())
    }

    /// The page between the records and the index. Its checksum is stale in the vendor's own files.
    pub(crate) fn middle(&mut self, file: &dyn ReadAt, at: u64) -> Result<ControlFlow<()>, Error> {
        let found: [u8; 8] = file.array(at)?;
        if found == *COOKIE_ZVHD2 {
            return Ok(ControlFlow::Continue(()));
        }
        let message = format!("no header page after the records: found {found:02x?}");
        Ok(self.add("zvhd.header.middle", Severity::Error, at, message))
    }

    /// The record at `start`, where one must begin at `expected`.
    pub(crate) fn place(&mut self, expected: u64, start: u64) -> ControlFlow<()> {
        if start == expected {
            return ControlFlow::Continue(());
        }
        let message = format!("the record begins at {start}, but the one before it ends at {expected}");
        self.add("zvhd.record.gap", Severity::Error, start, message)
    }

    /// A payload that decompresses to a block, stored in more than twice that.
    pub(crate) fn size(&mut self, record: &Record) -> ControlFlow<()> {
        if record.len <= MOST_RECORD {
            return ControlFlow::Continue(());
        }
        let len = record.len;
        let message =
            format!("the record has {len} bytes, but the vendor's reader supports at most {MOST_RECORD}");
        self.add("zvhd.record.size", Severity::Error, record.at, message)
    }

    /// Behind the last record comes the header page.
    pub(crate) fn last(&mut self, end: u64, middle: u64) -> ControlFlow<()> {
        if end == middle {
            return ControlFlow::Continue(());
        }
        let message = format!("the last record ends at {end}, but the page after it is at {middle}");
        self.add("zvhd.record.gap", Severity::Error, end, message)
    }

    /// The rest of the index's last segment: the vendor's writer never clears that memory, and no reader needs it.
    pub(crate) fn index_rest(
        &mut self,
        file: &dyn ReadAt,
        from: u64,
        end: u64,
    ) -> Result<ControlFlow<()>, Error> {
        if let Some((at, _)) = first_nonzero_in(file, &mut LastHole::default(), from..end)? {
            let message = "bytes follow the index entry of the last data block: they are ignored";
            return Ok(self.add("zvhd.index.rest", Severity::Note, at, message.into()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

//! One disk of an image and the location of its L1 table.

use imgprep_format_kit::Invalid;
use imgprep_map::{Error, ReadAt};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::layout::L1_BYTES;

/// One disk of the image: the current one, or a snapshot's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) size: u64,
    pub(crate) l1_at: u64,
    pub(crate) l1_entries: u64,
    /// File offset of the field that references the L1 table.
    pub(crate) l1_field_at: u64,
    /// Whether it is the current disk and not that of a snapshot.
    pub(crate) is_active: bool,
}

impl Disk {
    pub(crate) fn active(header: &Header) -> Self {
        Self {
            size: header.raw.size,
            l1_at: header.raw.l1_offset,
            l1_entries: header.raw.l1_size.into(),
            l1_field_at: 36,
            is_active: true,
        }
    }
}

impl Header {
    /// Checks that the L1 table of a disk is inside the file and covers the disk.
    pub(crate) fn check_l1(&self, file: &dyn ReadAt, disk: &Disk) -> Result<(), Error> {
        let needed = disk.size.div_ceil(self.l2_coverage());
        if disk.l1_entries < needed {
            return Err(Invalid::TableTooShort {
                code: codes::L1_TOO_SHORT,
                at: disk.l1_field_at,
                table: "the L1 table",
                expected: needed,
                found: disk.l1_entries,
                size: disk.size,
            }
            .into());
        }
        let bytes = disk.l1_entries * 8;
        if bytes > L1_BYTES {
            return Err(HEADER_CODES.field(
                disk.l1_field_at,
                "l1_size",
                "at most 4194304 entries",
                disk.l1_entries,
            ));
        }
        if !disk.l1_at.is_multiple_of(self.cluster_size()) {
            return Err(HEADER_CODES.field(
                disk.l1_field_at,
                "l1_table_offset",
                "a multiple of the cluster size",
                disk.l1_at,
            ));
        }
        HEADER_CODES.check_table(file, disk.l1_field_at, "the L1 table", disk.l1_at, bytes)?;
        Ok(())
    }
}

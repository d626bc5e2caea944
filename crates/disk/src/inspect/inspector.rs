//! The state of an inspection.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Code, ReadAt, Severity};

use crate::{DiskFacts, Oddity};

/// Bytes read at the end of the disk: one sector of any size.
pub(super) const TAIL: u64 = 4096;

pub(super) struct Inspector<'d> {
    pub(super) disk: &'d dyn ReadAt,
    pub(super) reach: u64,
    /// Bytes of a logical sector, as declared by the image.
    pub(super) declared: u32,
    pub(super) facts: DiskFacts,
}

impl Inspector<'_> {
    /// Bytes of the disk, clipped to its end; empty if they cannot or need not be read.
    pub(super) fn read(&mut self, at: u64, len: u64) -> Option<Vec<u8>> {
        let end = at.saturating_add(len).min(self.facts.size);
        let at = at.min(end);
        if end > self.reach {
            return None;
        }
        // OK: every caller requests a bounded, constant number of bytes.
        let mut bytes = vec![0; usize::try_from(end - at).ok()?];
        match self.disk.read_exact_at(&mut bytes, at) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.facts.unread.push(error);
                None
            }
        }
    }

    pub(super) fn odd(&mut self, code: &'static Code, severity: Severity, at: u64, message: String) {
        self.facts.oddities.push(Oddity { code, severity, at, message });
    }
}

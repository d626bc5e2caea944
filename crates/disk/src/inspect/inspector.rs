//! The disk under inspection: what was read of it, and what is known by then.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{ReadAt, Severity};

use crate::{DiskFacts, Oddity};

/// Read of its end: one sector of any size.
pub(super) const TAIL: u64 = 4096;

pub(super) struct Inspector<'d> {
    pub(super) disk: &'d dyn ReadAt,
    pub(super) reach: u64,
    /// Bytes of a logical sector that the image declares.
    pub(super) declared: u32,
    pub(super) facts: DiskFacts,
}

impl Inspector<'_> {
    /// Bytes of the disk, as many as it has; nothing where it cannot or need not be read.
    pub(super) fn read(&mut self, at: u64, len: u64) -> Option<Vec<u8>> {
        let end = at.saturating_add(len).min(self.facts.size);
        let at = at.min(end);
        if end > self.reach {
            return None;
        }
        // OK: every caller asks for a constant number of bytes at most.
        let mut bytes = vec![0; usize::try_from(end - at).ok()?];
        match self.disk.read_exact_at(&mut bytes, at) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.facts.unread.push(error);
                None
            }
        }
    }

    pub(super) fn odd(&mut self, code: &'static str, severity: Severity, at: u64, message: String) {
        self.facts.oddities.push(Oddity { code, severity, at, message });
    }
}

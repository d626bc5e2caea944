//! Uses of a file that continue each other.

use std::ops::Range;

use imgprep_map::{FileUse, UseKind};

/// One or more uses of the same kind that continue each other.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) bytes: Range<u64>,
    pub(super) kind: UseKind,
    /// Disk offset of the first byte.
    disk: Option<u64>,
}

impl Run {
    pub(super) fn new(file_use: FileUse) -> Self {
        Self { bytes: file_use.range, kind: file_use.kind, disk: file_use.disk }
    }

    /// The part that lies in `window`.
    pub(super) fn part(&self, window: &Range<u64>) -> Self {
        let bytes = self.bytes.start.max(window.start)..self.bytes.end.min(window.end);
        let (kind, disk) = self.user_at(bytes.start);
        Self { bytes, kind, disk }
    }

    pub(super) fn user_at(&self, at: u64) -> (UseKind, Option<u64>) {
        let moved = at.saturating_sub(self.bytes.start);
        let disk = match self.kind {
            UseKind::Data => self.disk.map(|disk| disk.saturating_add(moved)),
            _ => self.disk,
        };
        (self.kind, disk)
    }

    /// Appends `next` if it continues this run.
    pub(super) fn extend(&mut self, next: &Self) -> bool {
        let len = self.bytes.end - self.bytes.start;
        let continues = match (self.kind, next.kind) {
            (UseKind::Data, UseKind::Data) => {
                next.bytes.start == self.bytes.end
                    && next.disk == self.disk.and_then(|disk| disk.checked_add(len))
            }
            (UseKind::CompressedAtMost, UseKind::CompressedAtMost) => {
                self.bytes.start <= next.bytes.start && next.bytes.start <= self.bytes.end
            }
            _ => false,
        };
        if continues {
            self.bytes.end = self.bytes.end.max(next.bytes.end);
        }
        continues
    }
}

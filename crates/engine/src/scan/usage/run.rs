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
    /// The part of a use that lies in `window`.
    pub(super) fn part(file_use: &FileUse, window: &Range<u64>) -> Self {
        let whole = Self { bytes: file_use.range.clone(), kind: file_use.kind, disk: file_use.disk };
        let bytes = file_use.range.start.max(window.start)..file_use.range.end.min(window.end);
        let disk = whole.user_at(bytes.start).1;
        Self { bytes, ..Self { disk, ..whole } }
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

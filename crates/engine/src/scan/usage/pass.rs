//! One pass over the uses of a file, within a budget of runs.

use std::ops::{ControlFlow, Range};

use imgprep_map::{FileUse, UseKind};

use super::conflicts::Conflicts;
use super::run::Run;
use crate::EngineError;

/// The runs in a part of the file, clipped to it.
pub(super) struct Pass {
    pub(super) window: Range<u64>,
    room: usize,
    pub(super) runs: Vec<Run>,
    pub(super) past_end: Option<EngineError>,
    /// Whether the runs of a full budget overlap.
    pub(super) is_over: bool,
}

impl Pass {
    pub(super) fn new(from: u64, room: usize) -> Self {
        Self { window: from..u64::MAX, room, runs: Vec::new(), past_end: None, is_over: false }
    }

    /// Adds a use. `Break` if the runs collected so far contain a conflict.
    pub(super) fn add(&mut self, file_use: &FileUse, file_len: u64) -> ControlFlow<()> {
        if file_use.range.end > file_len
            && file_use.kind != UseKind::CompressedAtMost
            && !file_use.range.is_empty()
        {
            let user = (file_use.kind, file_use.disk);
            let bytes = file_use.range.clone();
            self.past_end.get_or_insert(EngineError::PastEnd { bytes, user, file_len });
        }
        let run = Run::part(file_use, &self.window);
        if run.bytes.is_empty() || self.runs.last_mut().is_some_and(|last| last.extend(&run)) {
            return ControlFlow::Continue(());
        }
        if self.runs.len() == self.runs.capacity() {
            // At most doubled, but never beyond the budget.
            let more = self.runs.len().max(64).min(self.room - self.runs.len());
            self.runs.reserve_exact(more);
        }
        self.runs.push(run);
        if self.runs.len() < self.room {
            return ControlFlow::Continue(());
        }
        self.make_room();
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn sort(&mut self) {
        self.runs.sort_unstable_by_key(|run| (run.bytes.start, run.bytes.end));
    }

    /// Joins adjacent runs, and drops those with the highest offsets if that does not free enough memory.
    fn make_room(&mut self) {
        self.sort();
        let mut conflicts = Conflicts::default();
        self.is_over = self.runs.iter().any(|run| conflicts.next(run).is_some());
        if self.is_over {
            return;
        }
        // The runs do not overlap.
        self.runs.dedup_by(|later, kept| kept.extend(later));
        if let Some(first) = self.runs.get(self.room / 2) {
            self.window.end = first.bytes.start;
            self.runs.truncate(self.room / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::FileId;

    use super::*;

    #[test]
    fn runs_use_no_more_memory_than_the_budget() {
        let room = 5000;
        let mut pass = Pass::new(0, room);
        for number in 0..20_000u64 {
            let at = (number * 7919 % 20_000) * 1024;
            let disk = Some(number * 4096);
            let one = FileUse { file: FileId::SELF, range: at..at + 512, kind: UseKind::Data, disk };
            assert!(pass.add(&one, 1 << 30).is_continue());
            assert!(pass.runs.capacity() <= room, "{} of {room}", pass.runs.capacity());
        }
        assert!(pass.window.end < 20_000 * 1024, "the rest is compared in a further pass");
    }
}

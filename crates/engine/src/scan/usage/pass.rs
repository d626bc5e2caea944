//! One walk over the uses of all files of a layer, within a budget of runs.

use std::ops::{ControlFlow, Range};

use imgprep_map::{FileUse, UseKind, usize_of};

use super::conflicts::Conflicts;
use super::run::Run;
use crate::EngineError;

/// The uses of one file that the current pass compares.
pub(super) struct FileUses {
    /// The compared part of the file.
    window: Range<u64>,
    file_len: u64,
    /// The runs in the window, clipped to it.
    pub(super) runs: Vec<Run>,
    past_end: PastEnd,
    /// Conflicts that were reported in all passes.
    pub(super) reported: usize,
}

/// The first use past the end of a file.
enum PastEnd {
    None,
    Found(EngineError),
    /// A previous pass reported it, or every use of that pass is inside the file.
    Reported,
}

impl FileUses {
    pub(super) fn new(file_len: u64) -> Self {
        Self { window: 0..u64::MAX, file_len, runs: Vec::new(), past_end: PastEnd::None, reported: 0 }
    }

    /// Begins where the previous pass ended.
    pub(super) fn continue_pass(&mut self) {
        self.window = self.window.end..u64::MAX;
        self.runs.clear();
    }

    /// Whether the current pass reaches the end of the file.
    pub(super) fn is_complete(&self) -> bool {
        self.window.end == u64::MAX
    }

    /// The first use past the end of the file, once.
    pub(super) fn take_past_end(&mut self) -> Option<EngineError> {
        match std::mem::replace(&mut self.past_end, PastEnd::Reported) {
            PastEnd::Found(error) => Some(error),
            PastEnd::None | PastEnd::Reported => None,
        }
    }

    pub(super) fn sort(&mut self) {
        self.runs.sort_unstable_by_key(|run| (run.bytes.start, run.bytes.end));
    }

    /// Adds a use. Returns whether it is a new run. There is room for `room` more runs, at least one.
    fn add(&mut self, file_use: FileUse, room: usize) -> bool {
        if file_use.range.end > self.file_len {
            self.add_past_end(&file_use);
        }
        let next = Run::new(file_use);
        if let Some(last) = self.runs.last_mut()
            && next.bytes.end <= self.window.end
            && last.extend(&next)
        {
            return false;
        }
        let part = next.part(&self.window);
        let is_new = !part.bytes.is_empty() && !self.runs.last_mut().is_some_and(|last| last.extend(&part));
        if is_new {
            if self.runs.len() == self.runs.capacity() {
                // At most doubled, but never beyond the budget.
                self.runs.reserve_exact(self.runs.len().max(64).min(room));
            }
            self.runs.push(part);
        }
        is_new
    }

    #[cold]
    fn add_past_end(&mut self, file_use: &FileUse) {
        let is_error = file_use.kind != UseKind::CompressedAtMost && !file_use.range.is_empty();
        if is_error && matches!(self.past_end, PastEnd::None) {
            let (bytes, user) = (file_use.range.clone(), (file_use.kind, file_use.disk));
            self.past_end = PastEnd::Found(EngineError::PastEnd { bytes, user, file_len: self.file_len });
        }
    }

    /// Keeps the first `count` runs. The next pass begins at the first of the others.
    fn truncate(&mut self, count: usize) {
        if let Some(first) = self.runs.get(count) {
            self.window.end = first.bytes.start;
            self.runs.truncate(count);
        }
    }
}

/// One pass over the files of a layer.
pub(super) struct Pass<'f> {
    files: &'f mut [FileUses],
    /// Maximum number of runs of all files.
    room: usize,
    count: usize,
    /// Whether the runs of a full budget overlap.
    pub(super) is_over: bool,
}

impl<'f> Pass<'f> {
    pub(super) fn new(files: &'f mut [FileUses], room: usize) -> Self {
        Self { files, room, count: 0, is_over: false }
    }

    /// Adds a use. `Break` if the runs collected so far contain a conflict.
    pub(super) fn add(&mut self, file_use: FileUse) -> ControlFlow<()> {
        let Some(file) = self.files.get_mut(usize_of(u64::from(file_use.file.0))) else {
            return ControlFlow::Continue(());
        };
        self.count += usize::from(file.add(file_use, self.room - self.count));
        if self.count < self.room {
            return ControlFlow::Continue(());
        }
        self.make_room();
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Joins adjacent runs. Drops the last ones, by file and offset, if that does not free enough memory.
    fn make_room(&mut self) {
        for file in &mut *self.files {
            file.sort();
            let mut conflicts = Conflicts::default();
            self.is_over |= file.runs.iter().any(|run| conflicts.next(run).is_some());
        }
        if self.is_over {
            return;
        }
        // The runs do not overlap.
        self.files.iter_mut().for_each(|file| file.runs.dedup_by(|later, kept| kept.extend(later)));
        let mut left = self.room / 2;
        for file in &mut *self.files {
            file.truncate(left);
            left -= file.runs.len();
        }
        self.count = self.room / 2 - left;
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::FileId;

    use super::*;

    #[test]
    fn runs_use_no_more_memory_than_the_budget() {
        let room = 5000;
        let mut files = [FileUses::new(1 << 30)];
        let mut pass = Pass::new(&mut files, room);
        for number in 0..20_000u64 {
            let at = (number * 7919 % 20_000) * 1024;
            let disk = Some(number * 4096);
            let one = FileUse { file: FileId::SELF, range: at..at + 512, kind: UseKind::Data, disk };
            assert!(pass.add(one).is_continue());
            let capacity = pass.files[0].runs.capacity();
            assert!(capacity <= room, "{capacity} of {room}");
        }
        assert!(files[0].window.end < 20_000 * 1024, "the rest is compared in a further pass");
    }
}

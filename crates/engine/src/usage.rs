//! File usage of one image compared with each other and with its files.
//!
//! Uses are collected as sorted runs. A heavily fragmented image may have more runs than the memory budget
//! allows: then the runs that begin highest are dropped and come in a pass of their own. So the comparison is
//! exact to the byte and its memory is bounded.
//!
//! The number of passes is bounded by the file: what is kept when the budget is full are runs that do not
//! overlap, at least half of the budget, and the next pass begins behind them. Where the runs of a full budget
//! do overlap, their conflicts are reported and the comparison ends.

use std::ops::{ControlFlow, Range};

use imgprep_map::{Error, FileId, FileUse, UseKind, usize_of};

use crate::watched::Watched;
use crate::{EngineError, Interrupt, Layer, OnLoss};

/// Conflicts of one image that are reported; the comparison ends there.
const MOST_CONFLICTS: usize = 4096;

/// Runs that are kept even where the budget is smaller.
const LEAST_ROOM: usize = 1024;

/// How far a comparison went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Every use was compared.
    All,
    /// It ended after many conflicts: there may be more.
    Part,
}

/// One or more uses of the same kind that continue each other.
#[derive(Clone, Debug)]
struct Run {
    bytes: Range<u64>,
    kind: UseKind,
    /// Disk offset of the first byte.
    disk: Option<u64>,
}

impl Run {
    /// The part of a use that lies in `window`.
    fn part(file_use: &FileUse, window: &Range<u64>) -> Self {
        let whole = Self { bytes: file_use.range.clone(), kind: file_use.kind, disk: file_use.disk };
        let bytes = file_use.range.start.max(window.start)..file_use.range.end.min(window.end);
        let disk = whole.user_at(bytes.start).1;
        Self { bytes, ..Self { disk, ..whole } }
    }

    fn user_at(&self, at: u64) -> (UseKind, Option<u64>) {
        let moved = at.saturating_sub(self.bytes.start);
        let disk = match self.kind {
            UseKind::Data => self.disk.map(|disk| disk.saturating_add(moved)),
            _ => self.disk,
        };
        (self.kind, disk)
    }

    /// Takes `next` in if it continues this run.
    fn extend(&mut self, next: &Self) -> bool {
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

/// Reports the conflicts of a layer: the first one as the error, or with [`OnLoss::Zero`] each to `found`.
/// Errors of the walk itself come as they are.
///
/// `memory` bounds the runs that are kept at once, in bytes.
pub(crate) fn check(
    layer: &Layer,
    memory: u64,
    on_loss: OnLoss,
    interrupt: &Interrupt,
    found: &mut dyn FnMut(Error),
) -> Result<Compared, Error> {
    let room = usize_of(memory) / size_of::<Run>();
    let room = room.max(LEAST_ROOM);
    for (index, file) in layer.files.iter().enumerate() {
        let id = u32::try_from(index).map_or(FileId(u32::MAX), FileId);
        let ledger = Ledger { layer, id, file_len: file.len(), room, on_loss, interrupt };
        if ledger.compare(found)? == Compared::Part {
            return Ok(Compared::Part);
        }
    }
    Ok(Compared::All)
}

struct Ledger<'a> {
    layer: &'a Layer,
    id: FileId,
    file_len: u64,
    room: usize,
    on_loss: OnLoss,
    interrupt: &'a Interrupt,
}

impl Ledger<'_> {
    /// One pass after the other, each from where the last one ended.
    fn compare(&self, found: &mut dyn FnMut(Error)) -> Result<Compared, Error> {
        let (mut from, mut reported) = (0, 0);
        while from < u64::MAX {
            let mut pass = Pass::new(from, self.room);
            self.collect(&mut pass)?;
            if from == 0
                && let Some(error) = pass.past_end.take()
            {
                self.report(error, found)?;
            }
            pass.sort();
            let mut conflicts = Conflicts::default();
            for conflict in pass.runs.iter().filter_map(|run| conflicts.next(run)) {
                self.report(conflict, found)?;
                reported += 1;
                if reported == MOST_CONFLICTS {
                    return Ok(Compared::Part);
                }
            }
            if pass.is_over {
                return Ok(Compared::Part);
            }
            from = pass.window.end;
        }
        Ok(Compared::All)
    }

    fn collect(&self, pass: &mut Pass) -> Result<(), Error> {
        let files = Watched::new(&self.layer.files, self.interrupt);
        let walked = self.layer.map.file_usage(&files, &mut |file_use| {
            if self.interrupt.is_raised() {
                return ControlFlow::Break(());
            }
            if file_use.file == self.id {
                pass.add(&file_use, self.file_len)
            } else {
                ControlFlow::Continue(())
            }
        });
        self.interrupt.check()?;
        walked.map_err(|error| self.layer.name(error))
    }

    fn report(&self, error: EngineError, found: &mut dyn FnMut(Error)) -> Result<(), Error> {
        let hit = hit_range(&error);
        let mut error = Error::new(error).in_file(self.id).while_doing("comparing the tables");
        if let Some(disk) = hit {
            error = error.hitting(disk);
        }
        let error = self.layer.name(error);
        match self.on_loss {
            OnLoss::Stop => Err(error),
            OnLoss::Zero => {
                found(error);
                Ok(())
            }
        }
    }
}

/// The runs that begin in a part of the file, cut to it.
struct Pass {
    window: Range<u64>,
    room: usize,
    runs: Vec<Run>,
    past_end: Option<EngineError>,
    /// Whether the runs of a full budget overlap.
    is_over: bool,
}

impl Pass {
    fn new(from: u64, room: usize) -> Self {
        Self { window: from..u64::MAX, room, runs: Vec::new(), past_end: None, is_over: false }
    }

    /// `Break` where no more is needed to report a conflict.
    fn add(&mut self, file_use: &FileUse, file_len: u64) -> ControlFlow<()> {
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
        self.runs.push(run);
        if self.runs.len() < self.room {
            return ControlFlow::Continue(());
        }
        self.make_room();
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn sort(&mut self) {
        self.runs.sort_unstable_by_key(|run| (run.bytes.start, run.bytes.end));
    }

    /// Joins runs that continue each other and drops those that begin highest, unless that made enough room.
    fn make_room(&mut self) {
        self.sort();
        let mut conflicts = Conflicts::default();
        self.is_over = self.runs.iter().any(|run| conflicts.next(run).is_some());
        if self.is_over {
            return;
        }
        // No two of them overlap from here on.
        self.runs.dedup_by(|later, kept| kept.extend(later));
        if let Some(first) = self.runs.get(self.room / 2) {
            self.window.end = first.bytes.start;
            self.runs.truncate(self.room / 2);
        }
    }
}

/// Finds overlaps of sorted runs: each against those that reach furthest before it.
#[derive(Default)]
struct Conflicts {
    furthest: Option<Run>,
    furthest_exclusive: Option<Run>,
}

impl Conflicts {
    /// The conflict of `run` with what came before it.
    fn next(&mut self, run: &Run) -> Option<EngineError> {
        let may_share = run.kind.may_share(run.kind);
        let before = if may_share { &self.furthest_exclusive } else { &self.furthest };
        let conflict = before.as_ref().filter(|before| before.bytes.end > run.bytes.start);
        let conflict = conflict.map(|before| overlap(before, run));
        if !may_share {
            keep_furthest(&mut self.furthest_exclusive, run);
        }
        keep_furthest(&mut self.furthest, run);
        conflict
    }
}

fn keep_furthest(held: &mut Option<Run>, run: &Run) {
    if held.as_ref().is_none_or(|held| held.bytes.end < run.bytes.end) {
        *held = Some(run.clone());
    }
}

fn overlap(first: &Run, second: &Run) -> EngineError {
    let bytes = second.bytes.start..first.bytes.end.min(second.bytes.end);
    let (a, b) = (first.user_at(bytes.start), second.user_at(bytes.start));
    EngineError::Overlap { bytes, first: a, second: b }
}

/// The range of the disk that a conflict makes doubtful: of the data if only one side is.
fn hit_range(error: &EngineError) -> Option<Range<u64>> {
    let (bytes, users) = match error {
        EngineError::Overlap { bytes, first, second } => (bytes, [*second, *first]),
        EngineError::PastEnd { bytes, user, .. } => (bytes, [*user, *user]),
        _ => return None,
    };
    let (_, disk) = users.into_iter().find(|(kind, _)| *kind == UseKind::Data)?;
    disk.map(|disk| disk..disk.saturating_add(bytes.end - bytes.start))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use imgprep_map::{DiskMap, Files, ReadAt, Visitor};

    use super::*;

    /// What was asked of a map: walks over its uses, and uses that were handed out.
    #[derive(Clone, Default)]
    struct Asked {
        walks: Arc<AtomicUsize>,
        uses: Arc<AtomicUsize>,
    }

    impl Asked {
        fn both(&self) -> (usize, usize) {
            (self.walks.load(Ordering::Relaxed), self.uses.load(Ordering::Relaxed))
        }
    }

    struct Uses(Vec<FileUse>, Asked);

    impl DiskMap for Uses {
        fn size(&self) -> u64 {
            0
        }
        fn stride(&self) -> u64 {
            1
        }
        fn visit(&self, _: &dyn Files, _: Range<u64>, _: Visitor<'_>) -> Result<(), Error> {
            Ok(())
        }
        fn file_usage(
            &self,
            _: &dyn Files,
            visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            self.1.walks.fetch_add(1, Ordering::Relaxed);
            let _ = self.0.iter().cloned().try_for_each(|file_use| {
                self.1.uses.fetch_add(1, Ordering::Relaxed);
                visitor(file_use)
            });
            Ok(())
        }
    }

    fn file_use(range: Range<u64>, kind: UseKind, disk: u64) -> FileUse {
        FileUse { file: FileId::SELF, range, kind, disk: Some(disk) }
    }

    fn layer(uses: Vec<FileUse>) -> (Layer, Asked) {
        let files: Vec<Arc<dyn ReadAt>> = vec![Arc::new(vec![0u8; 1 << 20])];
        let asked = Asked::default();
        let map = Box::new(Uses(uses, asked.clone()));
        (Layer { map, files, names: vec!["a".into()] }, asked)
    }

    fn check_with(uses: Vec<FileUse>, memory: u64) -> Option<EngineError> {
        let result = check(&layer(uses).0, memory, OnLoss::Stop, &Interrupt::default(), &mut |_| {});
        result.err().map(|error| error.detail::<EngineError>().unwrap().clone())
    }

    /// Everything that is found, how far the comparison went, and what it asked for.
    fn check_all(uses: Vec<FileUse>, memory: u64) -> (Vec<EngineError>, Compared, (usize, usize)) {
        let (layer, asked) = layer(uses);
        let mut found = Vec::new();
        let compared = check(&layer, memory, OnLoss::Zero, &Interrupt::default(), &mut |error| {
            found.push(error.detail::<EngineError>().unwrap().clone());
        });
        (found, compared.unwrap(), asked.both())
    }

    fn shared(disk: u64) -> EngineError {
        let user = |disk| (UseKind::Data, Some(disk));
        EngineError::Overlap { bytes: 512..1024, first: user(0), second: user(disk) }
    }

    /// So many entries that all name one block.
    fn repeated(count: u64) -> Vec<FileUse> {
        (0..count).map(|n| file_use(512..1024, UseKind::Data, n * 512)).collect()
    }

    #[test]
    fn an_overlap_in_a_full_budget_ends_the_only_pass() {
        let (found, compared, asked) = check_all(repeated(100_000), 0);
        assert_eq!((compared, asked), (Compared::Part, (1, LEAST_ROOM)));
        assert_eq!(found.len(), LEAST_ROOM - 1);
        let (layer, asked) = layer(repeated(100_000));
        let error = check(&layer, 0, OnLoss::Stop, &Interrupt::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(error.detail(), Some(EngineError::Overlap { bytes, .. }) if *bytes == (512..1024)));
        assert_eq!(asked.both(), (1, LEAST_ROOM));
    }

    #[test]
    fn conflicts_are_reported_up_to_a_bound() {
        let (found, compared, asked) = check_all(repeated(10_000), 1 << 20);
        assert_eq!((found.len(), compared, asked), (MOST_CONFLICTS, Compared::Part, (1, 10_000)));
        let (found, compared, _) = check_all(repeated(4), 1 << 20);
        assert_eq!((found.len(), compared), (3, Compared::All));
        assert!(found.contains(&shared(512)), "{found:?}");
    }

    #[test]
    fn passes_are_bounded_by_the_runs_of_the_file() {
        // Last to first with gaps: nothing can be joined, each pass keeps half of the budget.
        let uses: Vec<_> =
            (0..5000).rev().map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
        let (found, compared, (walks, handed)) = check_all(uses, 0);
        assert_eq!((found, compared), (Vec::new(), Compared::All));
        assert_eq!((walks, handed), (9, 45_000));
    }

    #[test]
    fn runs_that_continue_each_other_are_joined_where_the_budget_is_full() {
        // Every other block first: sorted, they are one run.
        let block = |n: u64| file_use(n * 50..n * 50 + 50, UseKind::Data, n * 50);
        let uses: Vec<_> = (0..5000).step_by(2).chain((1..5000).step_by(2)).map(block).collect();
        let (found, _, (walks, _)) = check_all(uses, 4000 * size_of::<Run>() as u64);
        assert_eq!((found, walks), (Vec::new(), 1));
    }

    #[test]
    fn an_overlap_in_a_later_pass_is_found() {
        let mut uses: Vec<_> =
            (0..5000).rev().map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
        uses.push(file_use(450_020..450_200, UseKind::Metadata("bitmap"), 0));
        let (found, compared, _) = check_all(uses, 0);
        let user = |disk| (UseKind::Data, Some(disk));
        let bitmap = (UseKind::Metadata("bitmap"), Some(0));
        let overlap = |bytes, first, second| EngineError::Overlap { bytes, first, second };
        let want = vec![
            overlap(450_020..450_050, user(4500 * 7 + 20), bitmap),
            overlap(450_100..450_150, bitmap, user(4501 * 7)),
        ];
        assert_eq!((found, compared), (want, Compared::All));
    }

    #[test]
    fn a_raised_interrupt_ends_the_walk() {
        let (layer, asked) = layer(repeated(100));
        let interrupt = Interrupt::default();
        interrupt.raise();
        let error = check(&layer, 0, OnLoss::Zero, &interrupt, &mut |_| {}).unwrap_err();
        assert_eq!(error.detail(), Some(&EngineError::Interrupted));
        assert_eq!(asked.both(), (1, 1));
    }

    #[test]
    fn neighbours_are_no_conflict() {
        use UseKind::{CompressedAtMost, Data, Metadata};
        let uses = vec![
            file_use(0..512, Metadata("header"), 0),
            file_use(512..1024, Data, 0),
            file_use(1024..2048, Data, 512),
            file_use(2048..3000, CompressedAtMost, 4096),
            file_use(2900..3100, CompressedAtMost, 8192),
        ];
        assert_eq!(check_with(uses, 1 << 20), None);
    }

    #[test]
    fn shared_data_is_found_with_both_users() {
        use UseKind::Data;
        let uses = vec![
            file_use(512..1024, Data, 0),
            file_use(4096..8192, Data, 8192),
            file_use(768..1280, Data, 4096),
        ];
        let want =
            EngineError::Overlap { bytes: 768..1024, first: (Data, Some(256)), second: (Data, Some(4096)) };
        assert_eq!(check_with(uses, 1 << 20), Some(want));
    }

    #[test]
    fn a_payload_in_a_table_is_found_though_payloads_may_share() {
        use UseKind::{CompressedAtMost, Metadata};
        let uses = vec![
            file_use(0..4096, Metadata("l2 table"), 0),
            file_use(5000..5600, CompressedAtMost, 0),
            file_use(4000..4100, CompressedAtMost, 4096),
        ];
        let want = EngineError::Overlap {
            bytes: 4000..4096,
            first: (Metadata("l2 table"), Some(0)),
            second: (CompressedAtMost, Some(4096)),
        };
        assert_eq!(check_with(uses, 1 << 20), Some(want));
    }

    #[test]
    fn a_table_behind_long_payloads_is_found() {
        use UseKind::{CompressedAtMost, Metadata};
        let uses = vec![
            file_use(0..5000, CompressedAtMost, 0),
            file_use(100..200, CompressedAtMost, 4096),
            file_use(4000..4096, Metadata("l2 table"), 0),
        ];
        let want = EngineError::Overlap {
            bytes: 4000..4096,
            first: (CompressedAtMost, Some(0)),
            second: (Metadata("l2 table"), Some(0)),
        };
        assert_eq!(check_with(uses, 1 << 20), Some(want));
    }

    #[test]
    fn data_past_the_end_is_found() {
        let bytes = (1 << 20) - 512..(1 << 20) + 512;
        let uses = vec![file_use(bytes.clone(), UseKind::Data, 0)];
        let want = EngineError::PastEnd { bytes, user: (UseKind::Data, Some(0)), file_len: 1 << 20 };
        assert_eq!(imgprep_map::Detail::code(&want), "claims.past-end");
        assert_eq!(check_with(uses, 1 << 20), Some(want));
    }

    #[test]
    fn a_conflict_is_found_with_too_little_memory_for_one_pass() {
        let mut uses: Vec<_> =
            (0..5000).map(|n| file_use(n * 100..n * 100 + 50, UseKind::Data, n * 7)).collect();
        assert_eq!(check_with(uses.clone(), 0), None);
        uses.push(file_use(333_340..333_345, UseKind::Metadata("bitmap"), 0));
        let want = EngineError::Overlap {
            bytes: 333_340..333_345,
            first: (UseKind::Data, Some(3333 * 7 + 40)),
            second: (UseKind::Metadata("bitmap"), Some(0)),
        };
        assert_eq!(check_with(uses, 0), Some(want));
    }
}

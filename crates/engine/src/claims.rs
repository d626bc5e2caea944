//! Claims of one image held against each other and against its files.
//!
//! Claims are collected as sorted runs. A heavily fragmented image may have more runs
//! than the memory budget holds: then the file is cut into windows, each looked at in
//! a pass of its own. So the check is exact to the byte and its memory is bounded; what
//! grows is time, by one more walk over the tables for each doubling.

use std::ops::{ControlFlow, Range};

use imgprep_map::{Claim, ClaimKind, Error, FileId, ReadAt};

use crate::{EngineError, Layer, OnLoss};

/// One or more claims of the same kind that continue each other.
#[derive(Clone)]
struct Run {
    bytes: Range<u64>,
    kind: ClaimKind,
    /// Disk offset of the first byte.
    disk: Option<u64>,
}

impl Run {
    fn user_at(&self, at: u64) -> (ClaimKind, Option<u64>) {
        let moved = at.saturating_sub(self.bytes.start);
        let disk = match self.kind {
            ClaimKind::Data => self.disk.map(|disk| disk.saturating_add(moved)),
            _ => self.disk,
        };
        (self.kind, disk)
    }

    /// Takes `claim` in if it goes on where this run ends.
    fn extend(&mut self, claim: &Claim, bytes: &Range<u64>) -> bool {
        let len = self.bytes.end - self.bytes.start;
        let continues = match (self.kind, claim.kind) {
            (ClaimKind::Data, ClaimKind::Data) => {
                bytes.start == self.bytes.end
                    && claim.disk == self.disk.and_then(|disk| disk.checked_add(len))
            }
            (ClaimKind::PackedAtMost, ClaimKind::PackedAtMost) => {
                self.bytes.start <= bytes.start && bytes.start <= self.bytes.end
            }
            _ => false,
        };
        if continues {
            self.bytes.end = self.bytes.end.max(bytes.end);
        }
        continues
    }
}

/// The first conflict of a layer, or nothing. Errors of the walk itself come as they are.
///
/// `memory` bounds the runs that are held at once, in bytes.
pub(crate) fn check(
    layer: &Layer,
    memory: u64,
    on_loss: OnLoss,
    found: &mut dyn FnMut(Error),
) -> Result<(), Error> {
    let room = usize::try_from(memory).unwrap_or(usize::MAX) / size_of::<Run>();
    for (index, file) in layer.files.iter().enumerate() {
        let id = u32::try_from(index).map_or(FileId(u32::MAX), FileId);
        let mut ledger = Ledger { layer, id, file: &**file, room: room.max(1024), on_loss };
        ledger.window(0..u64::MAX, found)?;
    }
    Ok(())
}

struct Ledger<'a> {
    layer: &'a Layer,
    id: FileId,
    file: &'a dyn ReadAt,
    room: usize,
    on_loss: OnLoss,
}

impl Ledger<'_> {
    /// Checks one window of the file's bytes, in halves if it holds too many runs.
    fn window(&mut self, window: Range<u64>, found: &mut dyn FnMut(Error)) -> Result<(), Error> {
        let mut runs = Vec::new();
        let mut past_end = None;
        if self.collect(&window, &mut runs, &mut past_end)? {
            if let Some(error) = past_end {
                self.report(error, found)?;
            }
            return self.sweep(runs, found);
        }
        drop(runs);
        // The first cut is at the file's end: nothing but errors lies behind it.
        let middle = if window.end == u64::MAX { self.file.len() } else { window.start.midpoint(window.end) };
        let middle = middle.clamp(window.start, window.end);
        if middle == window.start || middle == window.end {
            // More claims on one byte than memory holds: the first two of them conflict, unless all are shared.
            return Ok(());
        }
        self.window(window.start..middle, found)?;
        self.window(middle..window.end, found)
    }

    /// `false` if there is no room for all runs of the window.
    fn collect(
        &self,
        window: &Range<u64>,
        runs: &mut Vec<Run>,
        past_end: &mut Option<EngineError>,
    ) -> Result<bool, Error> {
        let mut fits = true;
        let file_len = self.file.len();
        let walked = self.layer.map.claims(&self.layer.files, &mut |claim| {
            let bytes = claim.range.start.max(window.start)..claim.range.end.min(window.end);
            if claim.file != self.id || bytes.is_empty() {
                return ControlFlow::Continue(());
            }
            if claim.range.end > file_len && claim.kind != ClaimKind::PackedAtMost {
                let user = (claim.kind, claim.disk);
                past_end.get_or_insert(EngineError::PastEnd { bytes: claim.range.clone(), user, file_len });
            }
            if runs.last_mut().is_some_and(|last| last.extend(&claim, &bytes)) {
                return ControlFlow::Continue(());
            }
            if runs.len() == self.room {
                fits = false;
                return ControlFlow::Break(());
            }
            let whole = Run { bytes: claim.range.clone(), kind: claim.kind, disk: claim.disk };
            let disk = whole.user_at(bytes.start).1;
            runs.push(Run { bytes, kind: claim.kind, disk });
            ControlFlow::Continue(())
        });
        walked.map_err(|error| self.layer.name(error))?;
        Ok(fits)
    }

    /// Finds overlaps: the runs by their start, each against those that reach furthest before it.
    fn sweep(&self, mut runs: Vec<Run>, found: &mut dyn FnMut(Error)) -> Result<(), Error> {
        runs.sort_unstable_by_key(|run| (run.bytes.start, run.bytes.end));
        let mut furthest: Option<Run> = None;
        let mut furthest_exclusive: Option<Run> = None;
        for run in runs {
            let before = if run.kind.may_share(run.kind) { &furthest_exclusive } else { &furthest };
            if let Some(before) = before.as_ref().filter(|before| before.bytes.end > run.bytes.start) {
                self.report(overlap(before, &run), found)?;
            }
            if !run.kind.may_share(run.kind) {
                keep_furthest(&mut furthest_exclusive, &run);
            }
            keep_furthest(&mut furthest, &run);
        }
        Ok(())
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
    let (_, disk) = users.into_iter().find(|(kind, _)| *kind == ClaimKind::Data)?;
    disk.map(|disk| disk..disk.saturating_add(bytes.end - bytes.start))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgprep_map::{DiskMap, Files, Visitor};

    use super::*;

    struct Claims(Vec<Claim>);

    impl DiskMap for Claims {
        fn size(&self) -> u64 {
            0
        }
        fn stride(&self) -> u64 {
            1
        }
        fn visit(&self, _: &dyn Files, _: Range<u64>, _: Visitor<'_>) -> Result<(), Error> {
            Ok(())
        }
        fn claims(
            &self,
            _: &dyn Files,
            visitor: &mut dyn FnMut(Claim) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            let _ = self.0.iter().cloned().try_for_each(visitor);
            Ok(())
        }
    }

    fn claim(range: Range<u64>, kind: ClaimKind, disk: u64) -> Claim {
        Claim { file: FileId::SELF, range, kind, disk: Some(disk) }
    }

    fn check_with(claims: Vec<Claim>, memory: u64) -> Option<EngineError> {
        let files: Vec<Arc<dyn ReadAt>> = vec![Arc::new(vec![0u8; 1 << 20])];
        let layer = Layer { map: Box::new(Claims(claims)), files, names: vec!["a".into()] };
        let result = check(&layer, memory, OnLoss::Stop, &mut |_| {});
        result.err().map(|error| error.detail::<EngineError>().unwrap().clone())
    }

    #[test]
    fn neighbours_are_no_conflict() {
        use ClaimKind::{Data, Metadata, PackedAtMost};
        let claims = vec![
            claim(0..512, Metadata("header"), 0),
            claim(512..1024, Data, 0),
            claim(1024..2048, Data, 512),
            claim(2048..3000, PackedAtMost, 4096),
            claim(2900..3100, PackedAtMost, 8192),
        ];
        assert_eq!(check_with(claims, 1 << 20), None);
    }

    #[test]
    fn shared_data_is_found_with_both_users() {
        use ClaimKind::Data;
        let claims =
            vec![claim(512..1024, Data, 0), claim(4096..8192, Data, 8192), claim(768..1280, Data, 4096)];
        let want =
            EngineError::Overlap { bytes: 768..1024, first: (Data, Some(256)), second: (Data, Some(4096)) };
        assert_eq!(check_with(claims, 1 << 20), Some(want));
    }

    #[test]
    fn a_payload_in_a_table_is_found_though_payloads_may_share() {
        use ClaimKind::{Metadata, PackedAtMost};
        let claims = vec![
            claim(0..4096, Metadata("l2 table"), 0),
            claim(5000..5600, PackedAtMost, 0),
            claim(4000..4100, PackedAtMost, 4096),
        ];
        let want = EngineError::Overlap {
            bytes: 4000..4096,
            first: (Metadata("l2 table"), Some(0)),
            second: (PackedAtMost, Some(4096)),
        };
        assert_eq!(check_with(claims, 1 << 20), Some(want));
    }

    #[test]
    fn a_table_behind_long_payloads_is_found() {
        use ClaimKind::{Metadata, PackedAtMost};
        let claims = vec![
            claim(0..5000, PackedAtMost, 0),
            claim(100..200, PackedAtMost, 4096),
            claim(4000..4096, Metadata("l2 table"), 0),
        ];
        let want = EngineError::Overlap {
            bytes: 4000..4096,
            first: (PackedAtMost, Some(0)),
            second: (Metadata("l2 table"), Some(0)),
        };
        assert_eq!(check_with(claims, 1 << 20), Some(want));
    }

    #[test]
    fn data_past_the_end_is_found() {
        let bytes = (1 << 20) - 512..(1 << 20) + 512;
        let claims = vec![claim(bytes.clone(), ClaimKind::Data, 0)];
        let want = EngineError::PastEnd { bytes, user: (ClaimKind::Data, Some(0)), file_len: 1 << 20 };
        assert_eq!(check_with(claims, 1 << 20), Some(want));
    }

    #[test]
    fn a_conflict_is_found_with_too_little_memory_for_one_pass() {
        let mut claims: Vec<_> =
            (0..5000).map(|n| claim(n * 100..n * 100 + 50, ClaimKind::Data, n * 7)).collect();
        assert_eq!(check_with(claims.clone(), 0), None);
        claims.push(claim(333_340..333_345, ClaimKind::Metadata("bitmap"), 0));
        let want = EngineError::Overlap {
            bytes: 333_340..333_345,
            first: (ClaimKind::Data, Some(3333 * 7 + 40)),
            second: (ClaimKind::Metadata("bitmap"), Some(0)),
        };
        assert_eq!(check_with(claims, 0), Some(want));
    }
}

//! Overlaps of the uses of a file.

use super::run::Run;
use crate::EngineError;

/// Finds overlaps of sorted runs: each run is compared with the previous runs that end last.
#[derive(Default)]
pub(super) struct Conflicts {
    furthest: Option<Run>,
    furthest_exclusive: Option<Run>,
}

impl Conflicts {
    /// The conflict of `run` with a previous run.
    pub(super) fn next(&mut self, run: &Run) -> Option<EngineError> {
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

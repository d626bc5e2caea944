//! File usage of one image compared with each other and with its files.
//!
//! One walk over the tables collects the uses of all files as sorted runs. If a heavily fragmented image has more runs than the memory budget allows, the
//! last runs, by file and offset, are dropped and compared in a further pass. So the comparison is exact to the byte and
//! its memory is bounded.
//!
//! The number of passes is bounded by the size of the files: when the budget is full, at least half of it is kept as runs that
//! do not overlap, and the next pass begins after them. If the runs of a full budget overlap, their conflicts are
//! reported and the comparison ends.

mod conflicts;
mod pass;
mod run;
#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};

use imgprep_map::{Error, FileId, UseKind, usize_of};

use conflicts::Conflicts;
use pass::{FileUses, Pass};
use run::Run;

use crate::watched::Watched;
use crate::{EngineError, Interrupt, Layer, OnLoss};

/// Conflicts of one image after which the comparison ends.
const MAX_CONFLICTS: usize = 4096;

/// Runs that are kept even if the budget is smaller.
const MIN_ROOM: usize = 1024;

/// Whether a comparison was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Every use was compared.
    All,
    /// The comparison ended after many conflicts: there may be more.
    Part,
}

/// Reports the conflicts of a layer: the first one as the error, or with [`OnLoss::Zero`] each to `found`.
/// Errors of the walk itself are returned.
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
    let ledger = Ledger { layer, room: room.max(MIN_ROOM), on_loss, interrupt };
    ledger.compare(found)
}

struct Ledger<'a> {
    layer: &'a Layer,
    room: usize,
    on_loss: OnLoss,
    interrupt: &'a Interrupt,
}

impl Ledger<'_> {
    /// Runs passes until all of every file is compared. Each begins where the previous one ended.
    fn compare(&self, found: &mut dyn FnMut(Error)) -> Result<Compared, Error> {
        let mut files: Vec<_> = self.layer.files.iter().map(|file| FileUses::new(file.len())).collect();
        loop {
            let is_over = self.collect(Pass::new(&mut files, self.room))?;
            for (index, file) in files.iter_mut().enumerate() {
                let id = u32::try_from(index).map_or(FileId(u32::MAX), FileId);
                if self.report_file(id, file, found)? == Compared::Part {
                    return Ok(Compared::Part);
                }
            }
            if is_over {
                return Ok(Compared::Part);
            }
            if files.iter().all(FileUses::is_complete) {
                return Ok(Compared::All);
            }
            files.iter_mut().for_each(FileUses::continue_pass);
        }
    }

    /// Reports what a pass found in one file.
    fn report_file(
        &self,
        id: FileId,
        file: &mut FileUses,
        found: &mut dyn FnMut(Error),
    ) -> Result<Compared, Error> {
        if let Some(error) = file.take_past_end() {
            self.report(id, error, found)?;
        }
        file.sort();
        let mut conflicts = Conflicts::default();
        for conflict in file.runs.iter().filter_map(|run| conflicts.next(run)) {
            self.report(id, conflict, found)?;
            file.reported += 1;
            if file.reported == MAX_CONFLICTS {
                return Ok(Compared::Part);
            }
        }
        Ok(Compared::All)
    }

    /// Walks the tables once. Returns whether the runs of a full budget overlap.
    fn collect(&self, mut pass: Pass<'_>) -> Result<bool, Error> {
        let files = Watched::new(&self.layer.files, self.interrupt);
        let walked = self.layer.map.file_usage(&files, &mut |file_use| {
            if self.interrupt.is_raised() { ControlFlow::Break(()) } else { pass.add(file_use) }
        });
        self.interrupt.check()?;
        walked.map_err(|error| self.layer.name(error))?;
        Ok(pass.is_over)
    }

    fn report(&self, id: FileId, error: EngineError, found: &mut dyn FnMut(Error)) -> Result<(), Error> {
        let hit = hit_range(&error);
        let mut error = Error::new(error).in_file(id).while_doing("comparing the tables");
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

/// The range of the disk that a conflict affects: that of the second user, unless only the first one is data.
fn hit_range(error: &EngineError) -> Option<Range<u64>> {
    let (bytes, users) = match error {
        EngineError::Overlap { bytes, first, second } => (bytes, [*second, *first]),
        EngineError::PastEnd { bytes, user, .. } => (bytes, [*user, *user]),
        _ => return None,
    };
    let (_, disk) = users.into_iter().find(|(kind, _)| *kind == UseKind::Data)?;
    disk.map(|disk| disk..disk.saturating_add(bytes.end - bytes.start))
}

//! Conflicts between the uses of a file, with bounded memory.

use std::path::Path;

use imgprep_engine::{Compared, EngineError, Interrupt, OnLoss, Options, Progress, conflicts};

use crate::support::structure::counted;

/// Conflicts of an image with so much memory, how far the comparison went, and the bytes of tables that it read.
pub(crate) fn compared(path: &Path, memory: u64) -> (Vec<EngineError>, Compared, u64) {
    let (layer, asked) = counted(path);
    let (interrupt, progress) = (Interrupt::default(), Progress::default());
    let threads = std::num::NonZeroUsize::MIN;
    let options = Options {
        threads,
        memory,
        on_loss: OnLoss::Stop,
        interrupt: &interrupt,
        progress: &progress,
        observe: &|_| {},
    };
    let mut found = Vec::new();
    let done = conflicts(&layer, &options, &mut |error| {
        found.push(error.detail::<EngineError>().unwrap().clone());
    });
    (found, done.unwrap(), asked.bytes())
}

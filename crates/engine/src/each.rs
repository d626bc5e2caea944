//! Many independent jobs in parallel.

use std::num::NonZeroUsize;

use imgprep_map::Error;

use crate::pipeline::Share;
use crate::{Interrupt, pipeline};

/// Runs `work` on as many jobs at once as there are threads. `reduce` receives the results in order, on the caller's
/// thread.
pub fn each<J: Send, D: Send>(
    threads: NonZeroUsize,
    interrupt: &Interrupt,
    jobs: impl IntoIterator<Item = J>,
    work: impl Fn(J) -> D + Sync,
    mut reduce: impl FnMut(D) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut jobs = jobs.into_iter();
    let share = Share { threads, in_flight: threads.get() * 4 };
    pipeline::run(share, interrupt, || Ok(jobs.next()), || (), |job, ()| Ok(work(job)), &mut reduce)
}

//! Checks one file under all rules: its structure, its safety, and whether it can be imported.
//!
//! Nothing here prints, and a check does not end at the first finding. Only the file itself is opened, unless the follow
//! policy allows others, and the bitmap next to a RAW.

mod checked_file;
mod conversion;
mod inside;
mod job;
mod options;
mod structure;

use std::path::Path;

use imgprep_engine::{Options, each};
use imgprep_map::Error;

pub use checked_file::{CheckedFile, Outcome};
pub use options::{CheckOptions, Depth};

use job::Job;

use crate::Disk;

/// Checks many files in parallel, each on one thread. `done` is called in their order.
pub fn each_file<F: AsRef<Path> + Send>(
    files: Vec<F>,
    options: &CheckOptions,
    run: &Options<'_>,
    done: impl FnMut(CheckedFile) -> Result<(), Error>,
) -> Result<(), Error> {
    if files.len() <= 1 {
        return files.iter().map(|file| check_file(file.as_ref(), options, run)).try_for_each(done);
    }
    let (threads, interrupt) = (run.threads, run.interrupt);
    let memory = run.memory / threads.get() as u64;
    each(
        threads,
        interrupt,
        files,
        |file| {
            let progress = imgprep_engine::Progress::default();
            let alone = Options {
                threads: std::num::NonZeroUsize::MIN,
                memory,
                on_loss: imgprep_engine::OnLoss::Stop,
                interrupt,
                progress: &progress,
                observe: &|_| {},
            };
            check_file(file.as_ref(), options, &alone)
        },
        done,
    )
}

/// Checks the file of a disk that is open, as [`check_file`] does: it is not opened again. Other files that the image names are
/// opened according to `options`.
pub fn check_disk(disk: &Disk, options: &CheckOptions, run: &Options<'_>) -> CheckedFile {
    let mut job = Job::new(disk.top_file().file.path(), options, run);
    if let Err(error) = job.run_disk(disk) {
        job.error(error);
    }
    job.finish()
}

/// Checks one file. If it cannot be opened, [`CheckedFile::error`] contains the error.
pub fn check_file(path: &Path, options: &CheckOptions, run: &Options<'_>) -> CheckedFile {
    let mut job = Job::new(path, options, run);
    if let Err(error) = job.run() {
        job.error(error);
    }
    job.finish()
}

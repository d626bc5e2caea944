//! Which files a batch reads and which it writes.

use imgprep::{Disk, Files, Role};

use super::jobs::Batch;
use super::jobs::open_options;
use crate::JOURNAL_NAME;
use crate::journal::ExistingJournal;

/// All sources, outputs, bitmaps and the journal. If existing files may be replaced, the images are opened, because their
/// backing files and extents are read, too.
pub fn of(batch: &Batch, existing_journal: ExistingJournal) -> Files {
    let mut files = Files::default();
    for job in &batch.jobs {
        files.reads(&job.source);
        files.writes(Role::Output, &job.output);
        job.existing_extents().iter().for_each(|extent| files.writes(Role::Output, extent));
        if let Some(bitmap) = job.bitmap() {
            files.writes(Role::Bitmap, &bitmap);
        }
    }
    if existing_journal != ExistingJournal::Refuse && files.replaces() {
        read_chains(batch, &mut files);
    }
    files.writes(Role::Journal, &batch.out.join(JOURNAL_NAME));
    files
}

/// Adds all files of all images. An image that cannot be opened fails later, with its own error.
pub fn read_chains(batch: &Batch, files: &mut Files) {
    for job in &batch.jobs {
        match Disk::open(&job.source, &open_options(job)) {
            Ok(disk) => files.reads_disk(&disk),
            Err(error) => error.path().into_iter().for_each(|path| files.reads(path.as_ref())),
        }
    }
}

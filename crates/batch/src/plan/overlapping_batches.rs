//! Detects running batches in the folders above and below that write the same files.
//!
//! Each batch locks the journal of its own folder. `ready` and `ready/sub` are two folders, and `sub/a.raw` of the one
//! may be `a.raw` of the other. Both announce their outputs before they search for each other, so at least one detects it.

use std::collections::BTreeSet;
use std::path::Path;

use imgprep::Error;

use super::jobs::Batch;
use crate::BatchError;
use crate::journal::record::path_text;
use crate::journal::{JOURNAL_NAME, running};

/// Rejects outputs in the folder of a running batch, and an output folder in which a running batch has outputs.
pub(crate) fn check(batch: &Batch) -> Result<(), Error> {
    above(batch)?;
    below(batch)
}

fn above(batch: &Batch) -> Result<(), Error> {
    let Ok(out) = batch.out.canonicalize() else { return Ok(()) };
    for folder in out.ancestors().skip(1) {
        let Some((history, by)) = running(&folder.join(JOURNAL_NAME)) else { continue };
        // OK: `folder` is above `out`.
        let inside = path_text(out.strip_prefix(folder).unwrap_or(&out)) + "/";
        if let Some(output) = history.outputs().find(|output| output.starts_with(&inside)) {
            return Err(refused(folder, by, output.into()));
        }
    }
    Ok(())
}

fn below(batch: &Batch) -> Result<(), Error> {
    let outputs = batch.jobs.iter().flat_map(|job| [Some(job.output.clone()), job.bitmap()]).flatten();
    let outputs: Vec<_> = outputs.collect();
    let folders: BTreeSet<&Path> = outputs
        .iter()
        .flat_map(|output| output.ancestors().skip(1).take_while(|folder| *folder != batch.out))
        .collect();
    for folder in folders {
        if let Some((_, by)) = running(&folder.join(JOURNAL_NAME)) {
            let output = outputs.iter().find(|output| output.starts_with(folder));
            return Err(refused(folder, by, output.map_or(String::new(), |output| path_text(output))));
        }
    }
    Ok(())
}

fn refused(folder: &Path, by: String, output: String) -> Error {
    Error::new(BatchError::OutputLocked { by, output }).in_path(path_text(folder))
}

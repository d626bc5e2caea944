//! Output folders: their creation, and files that a killed run left in them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use imgprep::{Error, reason};

use crate::BatchError;
use crate::plan::jobs::{Batch, Job};

/// Creates a folder and those above it. Each is synced before it is used, so that a power cut does not remove it together
/// with finished outputs.
pub(super) fn create_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = above(folder) else { return Ok(()) };
    create_folder(above)?;
    let made = std::fs::create_dir(folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) });
    made.and_then(|()| imgprep::sync_folder(above)).map_err(|error| {
        let what = format!("cannot create the folder: {}", reason(&error));
        Error::new(BatchError::Listing { what }).in_path(folder.display().to_string())
    })
}

/// The folder above; `None` for the root and for the working directory, whose parent may not be accessible.
fn above(folder: &Path) -> Option<&Path> {
    let above = folder.parent()?;
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    (above != folder).then_some(above)
}

/// Removes hidden files that a killed run left. The lock of the journal proves that no process uses them.
pub(super) fn remove_temporaries(batch: &Batch) {
    let mut prefixes: HashMap<&Path, Vec<String>> = HashMap::new();
    let of_job = |job: &Job| [job.output.clone()].into_iter().chain(job.bitmap()).chain(job.extents());
    let written: Vec<_> = batch.jobs.iter().flat_map(of_job).collect();
    for path in &written {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            prefixes.entry(folder).or_default().push(imgprep::hidden_prefix(name));
        }
    }
    for (folder, prefixes) in prefixes {
        let prefixes: HashSet<&[u8]> = prefixes.iter().map(String::as_bytes).collect();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            // All prefixes have the same length.
            let len = prefixes.iter().next().map_or(0, |prefix| prefix.len());
            if name.as_encoded_bytes().get(..len).is_some_and(|beginning| prefixes.contains(beginning)) {
                // A file that remains does no harm.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_end_at_the_root_and_at_the_working_directory() {
        let above = |folder: &str| above(Path::new(folder)).map(|above| above.display().to_string());
        assert_eq!(above("out/sub").as_deref(), Some("out"));
        assert_eq!(above("out").as_deref(), Some("."));
        assert_eq!((above("."), above("/"), above("")), (None, None, None));
    }
}

//! The report of a command that failed.

use std::io::{self};
use std::path::Path;

use crate::command::Command;
use crate::failure::{Failure, write_report};
use crate::files;
use crate::render::print::warn;

impl Failure {
    /// Writes the failure to a report file, as the object that is printed.
    ///
    /// An error of writing the file is printed, but does not replace the failure.
    ///
    /// A failed command may not have opened all files that it would have read. So the file must be new, or an
    /// earlier report that it replaces.
    pub(crate) fn report(&self, command: &Command, path: &Path) {
        if self.is_about_outputs() || files::named(command).check().is_err() {
            return;
        }
        if !may_replace(path) {
            let path = path.display();
            return warn(format_args!(
                "imgprep: {path}: not replaced: the file is not a report of this program"
            ));
        }
        if let Err(failure) = write_report(path, &self.object(command.name())) {
            failure.print_text(command.name());
        }
    }
}

/// Maximum size of a file that is read to detect a report, in bytes.
const LONGEST_REPORT: u64 = 256 << 20;

/// Whether `path` does not exist, is an empty file or a report of this program.
fn may_replace(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return true };
    if !found.is_file() || found.len() == 0 {
        return found.is_file();
    }
    let file = std::fs::File::open(path).ok().filter(|_| found.len() <= LONGEST_REPORT);
    let read =
        file.and_then(|file| serde_json::from_reader::<_, serde_json::Value>(io::BufReader::new(file)).ok());
    read.is_some_and(|object| object["schema"].as_str().is_some_and(|name| name.starts_with("imgprep/")))
}

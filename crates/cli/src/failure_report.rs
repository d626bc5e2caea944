//! The report of a command that failed.

use std::io::{self};
use std::path::Path;

use crate::command::Command;
use crate::failure::{Failure, write_report};
use crate::files;
use crate::render::print::warn;

impl Failure {
    /// The same object in a file. That the file could not be written is not worse than what it would say.
    ///
    /// A command that failed need not have opened all files that it would have read. So the report replaces nothing
    /// but an earlier report.
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

/// The longest report that is read to see whether it is one.
const LONGEST_REPORT: u64 = 256 << 20;

/// Whether there is nothing at `path`, an empty file, or a report of this program.
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

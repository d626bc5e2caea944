//! Errors that end a command, and how they are printed.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use imgprep::policy::quote;
use imgprep::{
    DetectError, Error, ErrorKind, Existing, Match, OutputOptions, RequestError, Sync, descriptor_beside,
    reason, remedy, write_atomic,
};
use serde_json::json;

use crate::args::OutputFormat;
use crate::codes;
use crate::command::Command;
use crate::render::hint;
use crate::render::json;
use crate::render::json::error_json;
use crate::render::print::{matched, warn};

/// Reason why a command failed.
pub(crate) enum Failure {
    /// An error with its code and place.
    Image(Box<Error>),
    /// An error, with the formats that match the contents of the file.
    WithEvidence(Box<Error>, Vec<Match>),
    /// Options that contradict each other.
    Usage(String),
    /// An error that the output already contains.
    Reported,
    /// Standard output could not be written.
    Print(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Image(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Print(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Print(error.into())
    }
}

impl Failure {
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the outputs of the command were rejected before anything was written.
    pub(crate) fn is_about_outputs(&self) -> bool {
        let Self::Image(error) = self else { return false };
        matches!(
            error.detail(),
            Some(
                RequestError::OutputIsSource { .. }
                    | RequestError::OutputTwice { .. }
                    | RequestError::DeviceNeedsForce
            )
        )
    }

    /// Whether the command ends with this error even if there are more images.
    pub(crate) fn is_final(&self) -> bool {
        self.is_interrupt() || matches!(self, Self::Print(_))
    }

    fn is_interrupt(&self) -> bool {
        matches!(self, Self::Image(error) if error.kind() == ErrorKind::Interrupted)
    }

    /// Prints the failure.
    ///
    /// Text goes to standard error, JSON as an object to standard output. The object is printed even if there
    /// is no result. It goes to standard error if standard output cannot be written or is the output image.
    pub(crate) fn print(&self, command: &Command) {
        if matches!(self, Self::Reported) {
            return;
        }
        if command.output() == OutputFormat::Json {
            let object = self.object(command.name());
            if command.is_piped() {
                let _ = io::stderr().write_all(json::line(&object).as_bytes());
                return;
            }
            let write =
                || io::stdout().write_all(json::line(&object).as_bytes()).and_then(|()| io::stdout().flush());
            if !imgprep::stdout_was_closed() && write().is_ok() {
                return;
            }
        }
        self.print_text(command.name());
    }

    pub(crate) fn print_text(&self, command: &str) {
        match self {
            Self::Image(error) | Self::WithEvidence(error, _) => warn(format_args!("imgprep: {error}")),
            Self::Usage(text) => warn(format_args!("imgprep: {text}")),
            Self::Reported => {}
            Self::Print(error) => {
                warn(format_args!("imgprep: cannot write standard output: {}", reason(error)));
            }
        }
        if let Self::WithEvidence(_, matches) = self {
            matches.iter().for_each(|found| warn(format_args!("  evidence: {}", matched(found))));
        }
        self.hints(command).iter().for_each(|hint| warn(format_args!("  {hint}")));
    }

    /// Commands or options to try next.
    fn hints(&self, command: &str) -> Vec<String> {
        let (error, matches) = match self {
            Self::Image(error) => (error, &[][..]),
            Self::WithEvidence(error, matches) => (error, &matches[..]),
            Self::Usage(_) | Self::Reported | Self::Print(_) => return Vec::new(),
        };
        let file = quote(OsStr::new(error.path().unwrap_or("FILE")));
        if let Some(detail) = error.detail::<DetectError>().filter(|detail| detail.is_undecided()) {
            if let Some(descriptor) = descriptor_beside(error) {
                return vec![format!("remedy: imgprep {command} {}", quote(descriptor.as_os_str()))];
            }
            if matches.is_empty() && matches!(detail, DetectError::Ambiguous { .. }) {
                return vec![format!("for all matches, run: imgprep info {file}")];
            }
            let readable = matches.iter().filter(|found| found.is_readable()).map(|found| found.name);
            let decide = |name| match command {
                "compare" => format!("select the format of {file} with: --from {name} (--from-b for B)"),
                _ => format!("select the format with: imgprep {command} --from {name} {file}"),
            };
            return readable.chain(["raw"]).map(decide).collect();
        }
        let remedy = remedy(error);
        let hint = hint::beside(error.hint(), remedy.as_ref());
        let hint = hint.map(|hint| format!("hint: {}", hint::for_command(hint, command)));
        remedy.map(|remedy| format!("remedy: {remedy}")).into_iter().chain(hint).collect()
    }

    /// All formats that match the contents of the file, if these were probed.
    pub(crate) fn matches_json(&self) -> Option<serde_json::Value> {
        match self {
            Self::WithEvidence(_, matches) => Some(matches.iter().map(json::matched).collect()),
            _ => None,
        }
    }

    pub(crate) fn object(&self, command: &str) -> serde_json::Value {
        let mut object = json!({ "schema": format!("imgprep/{command}/1"), "error": self.json() });
        if let Some(matches) = self.matches_json() {
            object["matches"] = matches;
        }
        object
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Image(error) | Self::WithEvidence(error, _) => error_json(error),
            Self::Usage(text) => json!({ "code": codes::USAGE.id, "class": "usage", "message": text }),
            Self::Reported => serde_json::Value::Null,
            Self::Print(error) => {
                json!({ "code": codes::PRINT.id, "class": "io", "message": reason(error) })
            }
        }
    }
}

/// Writes a report. An existing file is replaced.
pub(crate) fn write_report(path: &Path, object: &serde_json::Value) -> Result<(), Failure> {
    let options = OutputOptions { existing: Existing::Replace, sync: Sync::Full, ..OutputOptions::default() };
    Ok(write_atomic(path, json::text(object).as_bytes(), options)?)
}

/// An error of a file that the command line names.
pub(crate) fn file_error(path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{}: {}", path.display(), reason(error)))
}

/// 130 after Ctrl-C, as in a shell, otherwise the exit code of the command.
pub(crate) fn exit_code(failure: &Failure, of_command: u8) -> ExitCode {
    ExitCode::from(if failure.is_interrupt() { INTERRUPTED } else { of_command })
}

/// Exit code of an interrupted command, as in a shell after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

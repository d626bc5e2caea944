//! How a command ends when it could not do what was asked.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use imgprep::{Error, Existing, OutputOptions, Sync, write_whole};
use serde_json::json;

use crate::args::OutputFormat;

/// What ended a command.
pub(crate) enum Failure {
    /// An error with its code and place.
    Image(Box<Error>),
    /// Options that make no sense together.
    Usage(String),
    /// What the command's own JSON object says already.
    Told(Box<Failure>),
    /// Our own output could not be written.
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
        match self {
            Self::Print(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Image(error) => error.code() == "io.write.closed",
            Self::Usage(_) | Self::Told(_) => false,
        }
    }

    fn is_interrupt(&self) -> bool {
        matches!(self, Self::Image(error) if error.code() == "engine.interrupted")
    }

    /// Text goes to stderr; JSON is an object on stdout also when nothing came of it.
    pub(crate) fn print(&self, command: &str, output: OutputFormat) {
        if output == OutputFormat::Json {
            if !matches!(self, Self::Told(_)) {
                println!("{}", self.object(command));
            }
            return;
        }
        match self {
            Self::Image(error) => eprintln!("imgprep: {error}"),
            Self::Usage(text) => eprintln!("imgprep: {text}"),
            Self::Told(failure) => failure.print(command, output),
            Self::Print(error) => eprintln!("imgprep: writing failed: {error}"),
        }
    }

    /// The same object in a file. That the file could not be written is not worse than what it would say.
    pub(crate) fn report(&self, command: &str, path: &Path) {
        if let Err(failure) = write_report(path, &self.object(command)) {
            failure.print(command, OutputFormat::Text);
        }
    }

    fn object(&self, command: &str) -> serde_json::Value {
        json!({ "schema": format!("imgprep/{command}/1"), "error": self.json() })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Image(error) => error_json(error),
            Self::Told(failure) => failure.json(),
            Self::Usage(text) => json!({ "code": "usage", "class": "usage", "message": text }),
            Self::Print(error) => {
                json!({ "code": "io.print", "class": "io", "message": error.to_string() })
            }
        }
    }
}

/// A report is made anew by every run: one that is there is replaced.
pub(crate) fn write_report(path: &Path, object: &serde_json::Value) -> Result<(), Failure> {
    let options = OutputOptions { existing: Existing::Replace, sync: Sync::Full };
    Ok(write_whole(path, format!("{object:#}\n").as_bytes(), options)?)
}

/// `{code, class, message, file, offset, disk}`.
pub(crate) fn error_json(error: &Error) -> serde_json::Value {
    let disk = error.disk().map(|disk| json!({ "start": disk.start, "end": disk.end }));
    json!({
        "code": error.code(),
        "class": error.class().name(),
        "message": error.to_string(),
        "file": error.path(),
        "offset": error.at(),
        "disk": disk,
    })
}

/// 130 after Ctrl-C, as a shell has it; 1 for everything else.
pub(crate) fn exit_code(failure: &Failure) -> ExitCode {
    ExitCode::from(if failure.is_interrupt() { 130 } else { 1 })
}

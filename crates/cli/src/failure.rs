//! How a command ends when it could not do what was asked.

use std::io;
use std::process::ExitCode;

use imgprep::Error;
use serde_json::json;

use crate::args::OutputFormat;

/// What ended a command.
pub(crate) enum Failure {
    /// An error with its code and place.
    Image(Box<Error>),
    /// Options that make no sense together.
    Usage(String),
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
            Self::Usage(_) => false,
        }
    }

    fn is_interrupt(&self) -> bool {
        matches!(self, Self::Image(error) if error.code() == "engine.interrupted")
    }

    /// Text goes to stderr; JSON is an object on stdout also when nothing came of it.
    pub(crate) fn print(&self, command: &str, output: OutputFormat) {
        if output == OutputFormat::Json {
            println!("{}", json!({ "schema": format!("imgprep/{command}/1"), "error": self.json() }));
            return;
        }
        match self {
            Self::Image(error) => eprintln!("imgprep: {error}"),
            Self::Usage(text) => eprintln!("imgprep: {text}"),
            Self::Print(error) => eprintln!("imgprep: writing failed: {error}"),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Image(error) => error_json(error),
            Self::Usage(text) => json!({ "code": "usage", "class": "usage", "message": text }),
            Self::Print(error) => {
                json!({ "code": "io.print", "class": "io", "message": error.to_string() })
            }
        }
    }
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

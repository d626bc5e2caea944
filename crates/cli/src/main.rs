//! `imgprep`: parses the command line, derives options from it, runs the command.
#![deny(clippy::print_stdout, clippy::print_stderr, reason = "these panic where nobody can read them")]

mod args;
mod bar;
mod batch;
mod bitmap;
mod check;
mod codes;
mod command;
mod compare;
mod completions;
mod config;
mod convert;
mod digest;
mod failure;
mod failure_report;
mod files;
mod formats;
mod info;
mod man;
mod map;
mod measure;
mod optimize;
mod options;
mod progress;
mod receipt;
mod render;
mod rules;
mod signals;
mod size;
mod target;
mod text_file;
mod usage;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::command::Command;
use crate::failure::{Failure, exit_code};

#[global_allocator]
static ALLOCATOR: imgprep::Allocator = imgprep::Allocator;

fn main() -> ExitCode {
    let args = match usage::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    imgprep::raise_open_file_limit();
    let command = &args.command;
    imgprep::set_memory_exit_code(command.failure_code());
    match begin(command).and_then(|()| run(command)).and_then(|code| flushed(command, code)) {
        Ok(code) => code,
        // A user who closed the pipe needs no more output. A program that reads data must see an error.
        Err(failure) if failure.is_closed_pipe() && !command.prints_data() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(command);
            if let Some(path) = command.report() {
                failure.report(command, path);
            }
            exit_code(&failure, command.failure_code())
        }
    }
}

/// Prepares the process for any command.
///
/// Fails if the command prints data and standard output is closed.
fn begin(command: &Command) -> Result<(), Failure> {
    signals::keep_running_at_file_limit()?;
    if command.prints_data() && imgprep::stdout_was_closed() {
        return Err(Failure::Print(io::Error::other("it is closed")));
    }
    Ok(())
}

fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Batch(args) => return batch::run(args),
        Command::Check(args) => return check::run(args),
        Command::Compare(args) => return compare::run(args),
        Command::Verify(args) => return verify::run(args),
        Command::Info(args) => info::run(args),
        Command::Map(args) => map::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Measure(args) => measure::run(args),
        Command::Optimize(args) => optimize::run(args),
        Command::Digest(args) => digest::run(args),
        Command::Bitmap(args) => bitmap::run(args),
        Command::Formats(args) => formats::run(args),
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => man::man(args),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Flushes standard output.
///
/// If a reader of text has closed the pipe, the result still counts.
fn flushed(command: &Command, code: ExitCode) -> Result<ExitCode, Failure> {
    match io::stdout().flush().map_err(Failure::from) {
        Err(failure) if failure.is_closed_pipe() && !command.prints_data() => Ok(code),
        flushed => flushed.map(|()| code),
    }
}

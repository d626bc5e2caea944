//! `imgprep`: what was typed -> what is meant -> run.

mod args;
mod batch;
mod bitmap;
mod check;
mod config;
mod convert;
mod failure;
mod info;
mod json;
mod junit;
mod map;
mod meaning;
mod packaging;
mod print;
mod progress;
mod receipt;
mod report;
mod sarif;
mod size;
mod target;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::exit_code;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; a usage error is 1, for 2 means that a check found something.
            let code = u8::from(error.use_stderr());
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    imgprep::raise_open_file_limit();
    let output = args.command.output();
    let done = match &args.command {
        Command::Batch(args) => match batch::run(args) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Info(args) => info::run(args),
        Command::Map(args) => map::run(args),
        Command::Check(args) => match check::run(args) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Convert(args) => convert::run(args),
        Command::Bitmap(args) => bitmap::run(args),
        Command::Completions(args) => packaging::completions(args),
        Command::Man(args) => packaging::man(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has seen enough.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(args.command.name(), output);
            if let Some(path) = args.command.report() {
                failure.report(args.command.name(), path);
            }
            exit_code(&failure)
        }
    }
}

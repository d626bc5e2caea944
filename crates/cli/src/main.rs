//! `imgprep`: what was typed -> what is meant -> run.

mod args;
mod bar;
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
mod rules;
mod sarif;
mod size;
mod target;
mod text;
mod usage;

use std::process::ExitCode;

use crate::args::Command;
use crate::failure::exit_code;

fn main() -> ExitCode {
    let args = match usage::parse() {
        Ok(args) => args,
        Err(code) => return code,
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

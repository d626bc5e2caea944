//! `imgprep completions`: shell scripts for completion.
//!
//! They are generated from the definition of the command line.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::CompletionsArgs;
use crate::command::Args;
use crate::failure::Failure;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "imgprep", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

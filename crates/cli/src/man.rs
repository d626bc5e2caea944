//! `imgprep man`: manual pages generated from the definition of the command line.

use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use imgprep::{Existing, OutputOptions, Sync, write_atomic};

use crate::args::ManArgs;
use crate::command::Args;
use crate::failure::{Failure, file_error};
use crate::options::existing;

pub(crate) fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else { return Ok(io::stdout().write_all(&page(command)?)?) };
    std::fs::create_dir_all(dir).map_err(|error| file_error(dir, &error))?;
    let below: Vec<_> = command.get_subcommands().cloned().collect();
    below.into_iter().chain([command]).try_for_each(|command| write(command, dir, existing(args.force)))
}

fn write(command: clap::Command, dir: &Path, existing: Existing) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = dir.join(format!("{name}.1"));
    Ok(write_atomic(
        &path,
        &page(command)?,
        OutputOptions { existing, sync: Sync::Full, ..OutputOptions::default() },
    )?)
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let program = concat!("imgprep ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).source(program).render(&mut page)?;
    Ok(page)
}

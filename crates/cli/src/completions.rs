//! `imgprep completions`: shell scripts generated from the definition of the command line.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  imgprep completions bash > /etc/bash_completion.d/imgprep\n  \
    imgprep completions zsh > ~/.zfunc/_imgprep\n  \
    imgprep completions fish > ~/.config/fish/completions/imgprep.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "imgprep", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

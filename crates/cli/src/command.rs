//! The top-level commands and their common properties.

use std::path::Path;

use clap::{Parser, Subcommand};

use crate::args::{
    BitmapArgs, CheckArgs, CheckOutput, CompareArgs, CompletionsArgs, ConvertArgs, DigestArgs, FormatsArgs,
    InfoArgs, ManArgs, MapArgs, MeasureArgs, OptimizeArgs, OutputFormat, VerifyArgs,
};

/// Inspect, check and convert virtual disk images
#[derive(Parser)]
#[command(name = "imgprep", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_long_help = "Examples:\n  imgprep info disk.vmdk\n  imgprep check --profile huawei-ims disk.vmdk\n  \
    imgprep convert disk.vmdk disk.zvhd2"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show format, sizes, allocation, backing chain and anomalies
    Info(InfoArgs),
    /// List the extents of a disk: data, zeros, compressed, holes
    Map(MapArgs),
    /// Check images: structure, safety, and the import rules of a cloud
    Check(CheckArgs),
    /// Compare the contents of two disks of any formats
    Compare(Box<CompareArgs>),
    /// Convert a disk into another format
    Convert(ConvertArgs),
    /// Show the size of an output before it is written, and the import limits
    Measure(Box<MeasureArgs>),
    /// Make an image smaller: the same disk in the same format
    Optimize(Box<OptimizeArgs>),
    /// Compute digests of the contents of disks of any format
    Digest(DigestArgs),
    /// Compare a file with the receipt of the conversion that wrote it
    Verify(VerifyArgs),
    /// Write the block bitmap (.mf) of a disk
    Bitmap(BitmapArgs),
    /// Convert many images with a resource budget, a journal and reports
    Batch(Box<crate::batch::BatchArgs>),
    /// List the formats that are read and written, with the options of the latter
    Formats(FormatsArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all manual pages into a folder
    Man(ManArgs),
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Info(_) => "info",
            Self::Map(_) => "map",
            Self::Check(_) => "check",
            Self::Compare(_) => "compare",
            Self::Convert(_) => "convert",
            Self::Measure(_) => "measure",
            Self::Optimize(_) => "optimize",
            Self::Digest(_) => "digest",
            Self::Verify(_) => "verify",
            Self::Bitmap(_) => "bitmap",
            Self::Batch(_) => "batch",
            Self::Formats(_) => "formats",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::Info(args) => args.output,
            Self::Map(args) => args.output,
            Self::Formats(args) => args.output,
            Self::Check(args) if args.output == CheckOutput::Json => OutputFormat::Json,
            Self::Check(_) | Self::Completions(_) | Self::Man(_) => OutputFormat::Text,
            Self::Compare(args) => args.run.output,
            Self::Convert(args) => args.run.output,
            Self::Measure(args) => args.run.output,
            Self::Optimize(args) => args.run.output,
            Self::Digest(args) => args.run.output,
            Self::Verify(args) => args.run.output,
            Self::Bitmap(args) => args.run.output,
            Self::Batch(args) => args.progress.output,
        }
    }

    /// Whether exit code 1 is a result: then 2 means that the command could not be carried out.
    pub(crate) fn has_result_code(name: &str) -> bool {
        ["compare", "verify"].contains(&name)
    }

    /// Exit code of a failure.
    pub(crate) fn failure_code(&self) -> u8 {
        if Self::has_result_code(self.name()) { 2 } else { 1 }
    }

    /// Whether standard output is read by a program: a failed write is then an error.
    pub(crate) fn prints_data(&self) -> bool {
        match self {
            Self::Check(args) => args.output != CheckOutput::Text,
            Self::Convert(args) if args.is_piped() => true,
            Self::Digest(args) if args.list => true,
            _ => self.output() == OutputFormat::Json,
        }
    }

    /// Whether standard output is reserved for an image.
    pub(crate) fn is_piped(&self) -> bool {
        matches!(self, Self::Convert(args) if args.is_piped())
    }

    /// The additional JSON report.
    pub(crate) fn report(&self) -> Option<&Path> {
        match self {
            Self::Info(_)
            | Self::Map(_)
            | Self::Check(_)
            | Self::Formats(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
            Self::Compare(args) => args.run.report.as_deref(),
            Self::Convert(args) => args.run.report.as_deref(),
            Self::Measure(args) => args.run.report.as_deref(),
            Self::Optimize(args) => args.run.report.as_deref(),
            Self::Digest(args) => args.run.report.as_deref(),
            Self::Verify(args) => args.run.report.as_deref(),
            Self::Bitmap(args) => args.run.report.as_deref(),
            Self::Batch(args) => args.json_report(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;
    use imgprep::BitmapShape;
    use imgprep::policy::DiskRole;

    use super::*;
    use crate::size::Size;

    /// The program and all its commands.
    fn commands() -> Vec<clap::Command> {
        fn walk(command: clap::Command, found: &mut Vec<clap::Command>) {
            command.get_subcommands().cloned().for_each(|below| walk(below, found));
            found.push(command);
        }
        let mut found = Vec::new();
        walk(Args::command(), &mut found);
        assert!(found.len() > 8);
        found
    }

    /// The help texts of `-O` list the formats of the library's table.
    #[test]
    fn the_formats_that_are_written_are_in_the_help() {
        for name in ["convert", "batch"] {
            let command = commands().into_iter().find(|command| command.get_name() == name).unwrap();
            let arg = command.get_arguments().find(|arg| arg.get_id() == "to").unwrap();
            let help = arg.get_help().unwrap().to_string();
            for format in imgprep::TARGETS {
                assert!(help.contains(&format!(" {}", format.name)), "{name} -O: {}", format.name);
            }
        }
    }

    /// The examples at the end of a long help.
    fn examples(command: &clap::Command) -> Vec<String> {
        let end = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let examples = end.rsplit_once("Examples:\n").map(|(_, examples)| examples).unwrap_or_default();
        examples.lines().map(|line| line.strip_prefix("  ").unwrap_or_default().to_string()).collect()
    }

    /// The words of a command of a shell, without the redirection of its output.
    fn words(command: &str) -> Vec<&str> {
        command.split_whitespace().take_while(|word| *word != ">").collect()
    }

    #[test]
    fn every_command_and_argument_has_help() {
        for command in commands() {
            let name = command.get_name();
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let arguments = command.get_arguments().map(|arg| {
                (arg.get_id().as_str(), arg.get_help().map(ToString::to_string).unwrap_or_default())
            });
            for (arg, help) in [("", about)].into_iter().chain(arguments) {
                assert!(help.starts_with(char::is_uppercase), "{name} {arg}: {help:?}");
                assert!(!help.ends_with('.'), "{name} {arg}: {help:?}");
            }
        }
    }

    #[test]
    fn every_long_help_ends_with_examples() {
        for command in commands() {
            let examples = examples(&command);
            let name = command.get_name();
            assert!((2..=4).contains(&examples.len()), "{name}: {examples:?}");
            let start = if name == "imgprep" { name.into() } else { format!("imgprep {name}") };
            assert!(examples.iter().all(|example| example.contains(&start)), "{name}: {examples:?}");
        }
    }

    #[test]
    fn examples_are_accepted() {
        let mut count = 0;
        for example in commands().iter().flat_map(examples) {
            let parts = example.split(" | ").flat_map(|part| part.split(" && ")).map(words);
            for part in parts.filter(|words| words[0] == "imgprep") {
                let error = Args::try_parse_from(part).err().map(|error| error.to_string());
                assert_eq!(error, None, "{example}");
                count += 1;
            }
        }
        assert!(count >= 20, "{count}");
    }

    #[test]
    fn an_option_has_the_same_form_in_every_command() {
        let mut forms = BTreeMap::new();
        for command in commands() {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let form = (arg.get_short(), arg.get_value_names().map(<[_]>::to_vec), arg.get_all_aliases());
                let form = format!("{form:?}");
                let first = forms.entry(long.to_string()).or_insert_with(|| form.clone());
                assert_eq!(*first, form, "{} --{long}", command.get_name());
            }
        }
        assert!(forms.len() > 30);
    }

    /// Defaults that help or parser repeat from the library.
    #[test]
    fn stated_defaults_are_those_of_the_library() {
        let mut count = 0;
        for command in commands() {
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let value = arg.get_default_values().first().and_then(|value| value.to_str());
                match (arg.get_id().as_str(), value) {
                    ("disk", _) => {
                        assert!(
                            help.ends_with(&format!("[default: {}]", DiskRole::default().name())),
                            "{help}"
                        );
                    }
                    ("bitmap_block", Some(value)) => {
                        assert_eq!(value.parse(), Ok(Size::Bytes(BitmapShape::default().block)));
                    }
                    _ => continue,
                }
                count += 1;
            }
        }
        assert_eq!(count, 4);
    }
}

//! The top-level commands and their common properties.

use std::path::Path;

use clap::{Parser, Subcommand};

use crate::args::{
    BitmapArgs, CheckArgs, CheckOutput, CompletionsArgs, ConvertArgs, InfoArgs, ManArgs, MapArgs,
    OutputFormat,
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
    /// Convert a disk to ZVHD2 or RAW
    Convert(ConvertArgs),
    /// Write the block bitmap (.mf) of a disk
    Bitmap(BitmapArgs),
    /// Convert many images with a resource budget, a journal and reports
    Batch(Box<crate::batch::BatchArgs>),
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
            Self::Convert(_) => "convert",
            Self::Bitmap(_) => "bitmap",
            Self::Batch(_) => "batch",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::Info(args) => args.output,
            Self::Map(args) => args.output,
            Self::Check(args) if args.output == CheckOutput::Json => OutputFormat::Json,
            Self::Check(_) | Self::Completions(_) | Self::Man(_) => OutputFormat::Text,
            Self::Convert(args) => args.run.output,
            Self::Bitmap(args) => args.run.output,
            Self::Batch(args) => args.progress.output,
        }
    }

    /// Whether standard output is read by a program: a failed write is then an error.
    pub(crate) fn prints_data(&self) -> bool {
        match self {
            Self::Check(args) => args.output != CheckOutput::Text,
            Self::Convert(args) if args.is_piped() => true,
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
            Self::Info(_) | Self::Map(_) | Self::Check(_) | Self::Completions(_) | Self::Man(_) => None,
            Self::Convert(args) => args.run.report.as_deref(),
            Self::Bitmap(args) => args.run.report.as_deref(),
            Self::Batch(args) => args.json_report(),
        }
    }
}

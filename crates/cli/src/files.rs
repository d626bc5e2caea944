//! Files that a command line names for reading and for writing.

use std::path::Path;

use imgprep::{Files, Role};

use crate::args::{
    BitmapArgs, CompareArgs, ConvertArgs, DigestArgs, MeasureArgs, OptimizeArgs, SourceArgs, VerifyArgs,
};
use crate::command::Command;
use crate::options::bitmap_path;

/// All files that a command names.
///
/// The files that its images reference are added when these are open.
pub(crate) fn named(command: &Command) -> Files {
    match command {
        Command::Convert(args) => of_convert(args),
        Command::Bitmap(args) => of_bitmap(args),
        Command::Compare(args) => of_compare(args),
        Command::Measure(args) => of_measure(args),
        Command::Optimize(args) => of_optimize(args),
        Command::Digest(args) => of_digest(args),
        Command::Verify(args) => of_verify(args),
        _ => Files::default(),
    }
}

pub(crate) fn of_convert(args: &ConvertArgs) -> Files {
    let mut files = source(&args.src, &args.source);
    if args.is_piped() {
        files.writes_stdout();
    } else {
        files.writes(Role::Output, &args.dst);
    }
    if args.bitmap || args.shape.bitmap_command.is_some() {
        bitmap_path(&args.dst).iter().for_each(|path| files.writes(Role::Bitmap, path));
    }
    args.receipt.iter().for_each(|path| files.writes(Role::Receipt, path));
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_bitmap(args: &BitmapArgs) -> Files {
    let mut files = source(&args.src, &args.source);
    let path = args.out.clone().map_or_else(|| bitmap_path(&args.src).ok(), Some);
    path.iter().for_each(|path| files.writes(Role::Bitmap, path));
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_compare(args: &CompareArgs) -> Files {
    let mut files = Files::default();
    add_source(&mut files, &args.a, &args.source);
    add_source(&mut files, &args.b, &args.other.source());
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_measure(args: &MeasureArgs) -> Files {
    let mut files = args.file.as_ref().map_or_else(Files::default, |file| source(file, &args.source));
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_optimize(args: &OptimizeArgs) -> Files {
    let mut files = Files::default();
    files.reads(&args.file);
    args.dst.iter().for_each(|dst| files.writes(Role::Output, dst));
    if args.bitmap {
        bitmap_path(args.dst.as_ref().unwrap_or(&args.file))
            .iter()
            .for_each(|path| files.writes(Role::Bitmap, path));
    }
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_digest(args: &DigestArgs) -> Files {
    let mut files = Files::default();
    args.images.iter().for_each(|image| add_source(&mut files, image, &args.source));
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

pub(crate) fn of_verify(args: &VerifyArgs) -> Files {
    let mut files = Files::default();
    [&args.file, &args.receipt].iter().for_each(|path| files.reads(path));
    args.run.report.iter().for_each(|path| files.writes(Role::Report, path));
    files
}

fn source(src: &Path, source: &SourceArgs) -> Files {
    let mut files = Files::default();
    add_source(&mut files, src, source);
    files
}

fn add_source(files: &mut Files, src: &Path, source: &SourceArgs) {
    if src == Path::new("-") {
        files.reads_stdin();
    } else {
        files.reads(src);
    }
    source.parent.iter().for_each(|parent| files.reads(parent));
}

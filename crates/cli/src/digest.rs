//! `imgprep digest`.

use std::io::{self, Write};
use std::path::Path;

use imgprep::{Digest, Disk, FollowPolicy, OnLoss, Progress, digest, hex};
use serde_json::{Map, Value as Json, json};

use crate::args::{DigestArgs, OutputFormat};
use crate::failure::{Failure, write_report};
use crate::files;
use crate::options::{Run, open, open_options};
use crate::progress::ProgressDisplay;
use crate::render::print::say;
use crate::render::{anomalies, json};
use crate::size::full;

pub(crate) fn run(args: &DigestArgs) -> Result<(), Failure> {
    check_usage(args)?;
    let files = files::of_digest(args);
    files.check()?;
    let run = Run::new(&args.run)?;
    let mut images = Vec::new();
    let mut failure = None;
    for (index, path) in args.images.iter().enumerate() {
        match of_image(args, index, &run) {
            Ok(done) => images.push(done),
            // There is no other image, or it would fail too.
            Err(error) if args.images.len() == 1 || error.is_final() => return Err(error),
            Err(error) => {
                images.push(json!({ "filename": path.display().to_string(), "error": error.json() }));
                if args.run.output == OutputFormat::Text {
                    error.print_text("digest");
                }
                let count = args.images.len();
                failure = Some(Failure::Usage(format!("not all of the {count} images could be read")));
            }
        }
    }
    let mut object = json!({ "schema": "imgprep/digest/1", "images": images });
    if let Some(failure) = &failure {
        object["error"] = failure.json();
    }
    if let Some(path) = &args.run.report {
        files.check()?;
        write_report(path, &object)?;
    }
    if args.run.output == OutputFormat::Json {
        io::stdout().write_all(json::text(&object).as_bytes())?;
        failure = failure.map(|_| Failure::Reported);
    }
    failure.map_or(Ok(()), Err)
}

fn check_usage(args: &DigestArgs) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.into()));
    if args.images.len() > 1 && !args.source.parent.is_empty() {
        return usage("--parent applies to one image, but several are given");
    }
    if args.images.iter().filter(|path| *path == Path::new("-")).count() > 1 {
        return usage("only one of the images can be standard input");
    }
    if args.list && args.algorithm.len() > 1 {
        return usage("--list has one algorithm: the lines of two algorithms look the same");
    }
    if args.list && args.run.output == OutputFormat::Json {
        return usage("--list is not JSON: use it without --output json");
    }
    Ok(())
}

/// Digests one of the images and prints the result, unless the results are printed together.
fn of_image(args: &DigestArgs, index: usize, run: &Run) -> Result<Json, Failure> {
    // OK: the index of one of them.
    let path = &args.images[index];
    let options = open_options(&args.source, &args.follow, FollowPolicy::Beside, OnLoss::Stop)?;
    let mut disk = open(path, &args.source, &options)?;
    let mut files = files::of_digest(args);
    files.reads_disk(&disk);
    files.check()?;
    let display = ProgressDisplay::new(&args.run, ["hashing", "hashing"]);
    let display = display.of_image(path, index + 1, args.images.len());
    let observe = |progress: &Progress| display.observe(progress);
    let progress = Progress::default();
    let settings = run.options_with(&progress, OnLoss::Stop, &observe);
    disk.cross_check(&settings)?;
    if args.run.output == OutputFormat::Text && !args.run.quiet {
        anomalies::warn(&disk)?;
    }
    let digests = digest(&disk, &args.algorithm, &settings);
    display.finish(settings.progress.read());
    let digests = digests?;
    if args.list {
        digests.iter().try_for_each(|digest| io::stdout().write_all(&list_line(path, digest)))?;
    } else if args.run.output == OutputFormat::Text && !args.run.quiet {
        print(path, &disk, &digests)?;
    }
    Ok(json!({
        "filename": path.display().to_string(), "format": disk.layers()[0].facts.format,
        "virtual-size": disk.size(), "digests": digests_json(&digests),
        "seconds": display.elapsed().as_secs_f64(), "findings": anomalies::findings_json(&disk),
    }))
}

fn print(path: &Path, disk: &Disk, digests: &[Digest]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let format = disk.layers()[0].facts.format;
    say(&mut out, format_args!("{}: {format}, {}", path.display(), full(disk.size())))?;
    digests.iter().try_for_each(|digest| {
        say(&mut out, format_args!("  {} {}", digest.algorithm.name(), hex(&digest.bytes)))
    })
}

/// `{"blake3": "..."}`.
pub(crate) fn digests_json(digests: &[Digest]) -> Json {
    let pair = |digest: &Digest| (digest.algorithm.name().to_string(), json!(hex(&digest.bytes)));
    digests.iter().map(pair).collect::<Map<_, _>>().into()
}

/// A line in the format of `sha256sum` and `b3sum`.
///
/// A leading backslash marks a name with escaped characters.
fn list_line(path: &Path, digest: &Digest) -> Vec<u8> {
    let name = path.as_os_str().as_encoded_bytes();
    let mut line = Vec::new();
    if name.iter().any(|byte| b"\\\n\r".contains(byte)) {
        line.push(b'\\');
    }
    line.extend_from_slice(hex(&digest.bytes).as_bytes());
    line.extend_from_slice(b"  ");
    for byte in name {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

//! `imgprep convert`.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use imgprep::{
    ConvertOptions, Converted, Destination, Disk, Files, FollowPolicy, Loss, OnLoss, Plan, Sync, Target,
    Verify, convert, plan,
};
use serde_json::{Value as Json, json};

use crate::args::{ConvertArgs, OutputFormat};
use crate::failure::{Failure, write_report};
use crate::options::{Run, bitmap_maker, bitmap_path, existing, open, open_options};
use crate::progress::ProgressDisplay;
use crate::render::anomalies;
use crate::render::json::loss_json;
use crate::render::limits::{self, ImportLimits, OutputSize};
use crate::render::print::lines;
use crate::size::{full, short};
use crate::{files, formats, receipt, target};

pub(crate) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    if args.asks_for_options() {
        return formats::options(target::format(args)?);
    }
    let on_loss = if args.salvage { OnLoss::Zero } else { OnLoss::Stop };
    let (destination, options) = options(args)?;
    let profile = limits::profile(args.profile())?;
    let mut disk = open(
        &args.src,
        &args.source,
        &open_options(&args.source, &args.follow, FollowPolicy::Beside, on_loss)?,
    )?;
    let mut files = files::of_convert(args);
    files.reads_disk(&disk);
    files.check()?;
    receipt::check_place(args)?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["converting", "verifying"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(on_loss, &observe);
    disk.cross_check(&settings)?;
    if !args.dry_run {
        disk.find_unused(run.interrupt())?;
    }
    if args.run.output == OutputFormat::Text && !args.run.quiet {
        anomalies::warn(&disk)?;
    }
    if args.dry_run {
        let plan = plan(&disk, &options, &settings)?;
        let imports = ImportLimits::of(&profile, &options.target, size_of(&disk, &options, &plan));
        return report(
            args,
            &files,
            &render_plan(args, &disk, &options, &plan, &imports),
            &render_plan_json(args, &disk, &options, &plan, &imports),
        );
    }
    let done = convert(&disk, &destination, &options, &settings);
    display.finish(settings.progress.read());
    let done = done?;
    let seconds = display.elapsed().as_secs_f64();
    // Check again: the output is a file now.
    files.check()?;
    receipt::write(args, &disk, &options, &done)?;
    report(
        args,
        &files,
        &render(args, &disk, &options, &done, seconds),
        &render_json(&disk, &options, &done, seconds),
    )
}

/// Prints the report on standard output.
///
/// If the image is written there, prints it on standard error.
fn report(args: &ConvertArgs, files: &Files, text: &[String], json: &Json) -> Result<(), Failure> {
    if let Some(path) = &args.run.report {
        files.check()?;
        write_report(path, json)?;
    }
    let text = match args.run.output {
        OutputFormat::Text if args.run.quiet => return Ok(()),
        OutputFormat::Text => lines(text),
        OutputFormat::Json => crate::render::json::text(json),
    };
    if args.is_piped() {
        // The image is complete: an error of printing this text is ignored.
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn options(args: &ConvertArgs) -> Result<(Destination, ConvertOptions), Failure> {
    let target = target::parse(args)?;
    let is_piped = args.dst == Path::new("-");
    let destination = if is_piped { Destination::Stdout } else { Destination::Path(args.dst.clone()) };
    let with_bitmap = args.bitmap || args.shape.bitmap_command.is_some();
    if with_bitmap && (is_piped || !target.takes_bitmap()) {
        return Err(Failure::Usage("--bitmap is for a RAW file".into()));
    }
    let bitmap = if with_bitmap { Some((bitmap_maker(&args.shape)?, bitmap_path(&args.dst)?)) } else { None };
    let options = ConvertOptions {
        target,
        existing: existing(args.force),
        sync: if args.no_sync { Sync::None } else { Sync::Full },
        cache: args.cache.into(),
        verify: if args.verify { Verify::ReadBack } else { Verify::Skip },
        checksum: receipt::checksum(args),
        bitmap,
        uuid: uuid(args)?,
        unix_time: unix_time()?,
    };
    Ok((destination, options))
}

fn uuid(args: &ConvertArgs) -> Result<[u8; 16], Failure> {
    let Some(text) = &args.uuid else { return Ok(imgprep::random_uuid()?) };
    let wrong = || Failure::Usage(format!("--uuid {text}: not 32 hexadecimal digits"));
    imgprep::parse_uuid(text).ok_or_else(wrong)
}

/// `SOURCE_DATE_EPOCH`, or else the current time, in seconds since 1970.
pub(crate) fn unix_time() -> Result<u64, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .map_err(|_| Failure::Usage(format!("SOURCE_DATE_EPOCH={text}: not a number of seconds"))),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())),
    }
}

fn size_of(disk: &Disk, options: &ConvertOptions, plan: &Plan) -> OutputSize {
    let virtual_size = options.target.disk_size(disk.size());
    OutputSize { len: plan.len, is_exact: plan.is_exact, virtual_size }
}

fn render_plan(
    args: &ConvertArgs,
    disk: &Disk,
    options: &ConvertOptions,
    plan: &Plan,
    imports: &ImportLimits<'_>,
) -> Vec<String> {
    let size = if plan.is_exact { full(plan.len) } else { format!("at most {}", full(plan.len)) };
    let mut lines = vec![
        format!(
            "would convert {} ({}, {}) to {} {}: {size}",
            args.src.display(),
            disk.layers()[0].facts.format,
            full(disk.size()),
            options.target.name(),
            args.dst.display(),
        ),
        format!(
            "{} of the disk may contain data, {} are known to be zeros",
            short(plan.table_scan.total()),
            short(plan.table_scan.zeros),
        ),
    ];
    lines.extend(options.bitmap.as_ref().map(|(_, path)| format!("bitmap: {}", path.display())));
    let output = size_of(disk, options, plan);
    lines.extend(free_space(args).map(|(folder, free)| limits::space(folder, output, free)));
    lines.extend(imports.lines());
    lines.extend(enlarged(disk, options));
    lines.extend(losses(&plan.losses));
    lines
}

/// The folder of the output and the free space of its file system, in bytes.
///
/// `None` for a pipe or a device.
fn free_space(args: &ConvertArgs) -> Option<(&Path, u64)> {
    if args.dst == Path::new("-") || imgprep::is_block_device(&args.dst) {
        return None;
    }
    let folder = args.dst.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    Some((folder, imgprep::free_space(folder).ok()?))
}

fn render_plan_json(
    args: &ConvertArgs,
    disk: &Disk,
    options: &ConvertOptions,
    plan: &Plan,
    imports: &ImportLimits<'_>,
) -> Json {
    json!({
        "schema": "imgprep/convert/1", "dry-run": true, "target": options.target.name(),
        "virtual-size": disk.size(), "target-virtual-size": options.target.disk_size(disk.size()), "output-size": plan.len, "output-size-exact": plan.is_exact,
        "free-space": free_space(args).map(|(_, free)| free), "profile": imports.profile(), "routes": imports.json(),
        "data": plan.table_scan.data, "compressed": plan.table_scan.compressed, "zero": plan.table_scan.zeros,
        "findings": anomalies::findings_json(disk),
        "losses": plan.losses.iter().map(loss_json).collect::<Vec<_>>(),
    })
}

fn render(
    args: &ConvertArgs,
    disk: &Disk,
    options: &ConvertOptions,
    done: &Converted,
    seconds: f64,
) -> Vec<String> {
    let blocks = done.block.map(|_| format!(" in {} blocks of data", done.data_blocks));
    let mut lines = vec![format!(
        "{}: {}, {}{}, {seconds:.1} s",
        if args.dst == Path::new("-") { "standard output".into() } else { args.dst.display().to_string() },
        options.target.name(),
        full(done.len),
        blocks.unwrap_or_default(),
    )];
    lines.extend(done.bitmap.as_ref().map(|path| format!("{}: bitmap", path.display())));
    if done.is_verified {
        lines.push("verified: the output matches the source".into());
    }
    lines.extend(enlarged(disk, options));
    lines.extend(losses(&done.losses));
    lines
}

/// Message if the disk of the output is larger than that of the source.
fn enlarged(disk: &Disk, options: &ConvertOptions) -> Option<String> {
    let (size, target) = (disk.size(), options.target.disk_size(disk.size()));
    (size != target).then(|| {
        let is_cloud = matches!(options.target, Target::Zvhd(_) | Target::Zvhd2(_));
        let place = if is_cloud { "in the cloud it" } else { "in the output it" };
        format!("the disk has {}; {place} will have {}, padded with zeros", full(size), full(target))
    })
}

fn render_json(disk: &Disk, options: &ConvertOptions, done: &Converted, seconds: f64) -> Json {
    json!({
        "schema": "imgprep/convert/1", "dry-run": false, "target": options.target.name(),
        "virtual-size": disk.size(), "target-virtual-size": options.target.disk_size(disk.size()), "output-size": done.len, "data-blocks": done.data_blocks,
        "bitmap": done.bitmap.as_ref().map(|path| path.display().to_string()), "verified": done.is_verified,
        "findings": anomalies::findings_json(disk), "seconds": seconds, "losses": done.losses.iter().map(loss_json).collect::<Vec<_>>(),
    })
}

fn losses(losses: &[Loss]) -> impl Iterator<Item = String> {
    losses.iter().map(|loss| {
        format!("lost: disk bytes {}..{} are zeros now: {}", loss.disk.start, loss.disk.end, loss.message)
    })
}

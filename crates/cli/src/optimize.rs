//! `imgprep optimize`.

use std::path::PathBuf;

use imgprep::{
    Disk, FollowPolicy, OnLoss, OpenOptions, OptimizeOptions, Optimized, Sync, UnknownUse, optimize_in_place,
    optimize_to, plan_optimize,
};
use serde_json::{Value as Json, json};

use crate::args::{OptimizeArgs, OutputFormat};
use crate::convert::unix_time;
use crate::failure::{Failure, write_report};
use crate::files;
use crate::options::{Run, bitmap_path, existing, format_named, shape};
use crate::progress::ProgressDisplay;
use crate::render::json;
use crate::render::print::{lines, show};
use crate::size::{full, short};

pub(crate) fn run(args: &OptimizeArgs) -> Result<(), Failure> {
    let options = options(args)?;
    let open = OpenOptions {
        from: args.format.from.as_deref().map(format_named).transpose()?,
        follow: FollowPolicy::None,
        ..OpenOptions::default()
    };
    let mut disk = Disk::open(&args.file, &open)?;
    let mut files = files::of_optimize(args);
    files.reads_disk(&disk);
    files.check()?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["optimizing", "verifying"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(OnLoss::Stop, &observe);
    disk.cross_check(&settings)?;
    let format = disk.layers()[0].facts.format;
    let done = match &args.dst {
        Some(dst) => optimize_to(&disk, dst, &options, &settings),
        None if args.dry_run => plan_optimize(&args.file, disk, &options, &settings),
        None => optimize_in_place(&args.file, disk, &options, &settings),
    };
    display.finish(settings.progress.read());
    let done = done?;
    let json = render_json(args, format, &options, &done, display.elapsed().as_secs_f64());
    if let Some(path) = &args.run.report {
        files.check()?;
        write_report(path, &json)?;
    }
    let text = match args.run.output {
        OutputFormat::Text if args.run.quiet => String::new(),
        OutputFormat::Text => lines(&render(args, &options, &done)),
        OutputFormat::Json => json::text(&json),
    };
    Ok(show(&text, args.run.output == OutputFormat::Json)?)
}

fn options(args: &OptimizeArgs) -> Result<OptimizeOptions, Failure> {
    let level = args.level.map(|level| format!("level={level}"));
    let bitmap = if args.bitmap {
        Some((shape(&args.layout)?, bitmap_path(args.dst.as_ref().unwrap_or(&args.file))?))
    } else {
        None
    };
    Ok(OptimizeOptions {
        changes: args.options.iter().cloned().chain(level).collect(),
        sync: if args.no_sync { Sync::None } else { Sync::Full },
        cache: args.cache.into(),
        unknown_use: if args.force { UnknownUse::Accept } else { UnknownUse::Refuse },
        bitmap,
        existing: existing(args.force),
        unix_time: unix_time()?,
    })
}

fn render(args: &OptimizeArgs, options: &OptimizeOptions, done: &Optimized) -> Vec<String> {
    let name = args.dst.as_ref().unwrap_or(&args.file).display();
    let mut lines = Vec::new();
    if done.has_gain() {
        let saved = done.before - done.after;
        let percent = saved.saturating_mul(100) / done.before.max(1);
        let verb = if args.dry_run { "would be saved" } else { "saved" };
        lines.push(format!(
            "{name}: {} {verb} ({percent} %): {} before, {} after",
            full(saved),
            short(done.before),
            short(done.after)
        ));
    } else {
        let changed = if args.dst.is_some() { "" } else { ": nothing was changed" };
        lines.push(format!("{name}: nothing to gain{changed}"));
    }
    if done.zeros > 0 {
        lines.push(format!("  zeros that were stored: {}", full(done.zeros)));
    }
    if done.leaks > 0 {
        lines.push(format!("  leaked clusters: {}", full(done.leaks)));
    }
    if done.other > 0 {
        let what =
            if done.is_compressed { "better compression and smaller tables" } else { "tables and gaps" };
        lines.push(format!("  {what}: {}", full(done.other)));
    }
    if let Some(found) = done.fragmentation.filter(|found| found.fragmented > 0) {
        lines.push(format!("  fragmented clusters: {} of {}", found.fragmented, found.stored));
    }
    lines.extend(written_bitmap(args, options).map(|path| format!("{}: bitmap", path.display())));
    lines
}

fn written_bitmap<'a>(args: &OptimizeArgs, options: &'a OptimizeOptions) -> Option<&'a PathBuf> {
    options.bitmap.as_ref().filter(|_| !args.dry_run).map(|(_, path)| path)
}

fn render_json(
    args: &OptimizeArgs,
    format: &str,
    options: &OptimizeOptions,
    done: &Optimized,
    seconds: f64,
) -> Json {
    json!({
        "schema": "imgprep/optimize/1", "filename": args.file.display().to_string(), "format": format,
        "output": args.dst.as_ref().map(|dst| dst.display().to_string()), "dry-run": args.dry_run,
        "method": if done.punches { "holes" } else { "rewrite" },
        "before": done.before, "after": done.after, "saved": done.before.saturating_sub(done.after),
        "zeros": done.zeros, "leaks": done.leaks, "other": done.other, "compressed": done.is_compressed,
        "fragmented-clusters": done.fragmentation.map(|found| found.fragmented),
        "stored-clusters": done.fragmentation.map(|found| found.stored),
        "bitmap": written_bitmap(args, options).map(|path| path.display().to_string()), "seconds": seconds,
    })
}

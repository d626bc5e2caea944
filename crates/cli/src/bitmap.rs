//! `imgprep bitmap`.

use std::io::{self, Write};

use imgprep::{BitmapMaker, FollowPolicy, OnLoss, OutputOptions, Sync, write_bitmap};
use serde_json::json;

use crate::args::{BitmapArgs, OutputFormat};
use crate::failure::{Failure, write_report};
use crate::files;
use crate::options::bitmap_path;
use crate::options::{Run, bitmap_maker, existing, open, open_options};
use crate::progress::ProgressDisplay;
use crate::render::json;
use crate::render::print::say;
use crate::size::full;

pub(crate) fn run(args: &BitmapArgs) -> Result<(), Failure> {
    let path = match &args.out {
        Some(path) => path.clone(),
        None => bitmap_path(&args.src)?,
    };
    let maker = bitmap_maker(&args.shape)?;
    let disk = open(
        &args.src,
        &args.source,
        &open_options(&args.source, &args.follow, FollowPolicy::Beside, OnLoss::Stop)?,
    )?;
    let mut files = files::of_bitmap(args);
    files.reads_disk(&disk);
    files.check()?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["reading", "reading"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(OnLoss::Stop, &observe);
    let output =
        OutputOptions { existing: existing(args.force), sync: Sync::Full, ..OutputOptions::default() };
    let done = write_bitmap(&disk, &path, &maker, output, &settings);
    display.finish(settings.progress.read());
    let done = done?;
    let block = match &maker {
        BitmapMaker::Ours(shape) => Some(shape.block),
        BitmapMaker::Command(_) => None,
    };
    let json = json!({
        "schema": "imgprep/bitmap/1", "bitmap": path.display().to_string(), "length": done.len,
        "block-size": block, "blocks": done.blocks.map(|(all, _)| all),
        "data-blocks": done.blocks.map(|(_, data)| data),
    });
    if let Some(report) = &args.run.report {
        files.check()?;
        write_report(report, &json)?;
    }
    let mut out = io::stdout().lock();
    if args.run.output == OutputFormat::Json {
        out.write_all(json::text(&json).as_bytes())?;
    } else if !args.run.quiet {
        let counted =
            done.blocks.map_or(String::new(), |(all, data)| format!(", {data} of {all} blocks contain data"));
        say(&mut out, format_args!("{}: bitmap of {}{counted}", path.display(), full(done.len)))?;
    }
    Ok(())
}

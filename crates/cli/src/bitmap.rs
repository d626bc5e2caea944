//! `imgprep bitmap`.

use std::io::{self, Write};

use imgprep::{OnLoss, OutputOptions, Sync, write_bitmap};
use serde_json::json;

use crate::args::{BitmapArgs, Follow, OutputFormat};
use crate::convert::bitmap_path;
use crate::failure::Failure;
use crate::meaning::{Run, existing, open, open_options, shape};
use crate::progress::Shown;
use crate::size::full;

pub(crate) fn run(args: &BitmapArgs) -> Result<(), Failure> {
    let path = match &args.out {
        Some(path) => path.clone(),
        None => bitmap_path(&args.src)?,
    };
    let shape = shape(&args.shape)?;
    let disk = open(
        &args.src,
        &args.source,
        &open_options(&args.source, &args.follow, Follow::Beside, OnLoss::Stop)?,
    )?;
    let run = Run::new(&args.run)?;
    let shown = Shown::new(&args.run);
    let observe = |meter: &imgprep::Meter| shown.observe(meter);
    let settings = run.options(OnLoss::Stop, &observe);
    let output = OutputOptions { existing: existing(args.force), sync: Sync::Full };
    let done = write_bitmap(&disk, &path, shape, output, &settings);
    shown.finish(settings.meter.read());
    let done = done?;
    let mut out = io::stdout().lock();
    if args.run.output == OutputFormat::Json {
        let json = json!({
            "schema": "imgprep/bitmap/1", "bitmap": path.display().to_string(), "length": done.len,
            "block-size": shape.block, "blocks": done.blocks, "data-blocks": done.data_blocks,
        });
        writeln!(out, "{json:#}")?;
    } else if !args.run.quiet {
        let (path, len) = (path.display(), full(done.len));
        writeln!(out, "{path}: bitmap of {len}, {} of {} blocks hold data", done.data_blocks, done.blocks)?;
    }
    Ok(())
}

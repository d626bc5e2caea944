//! `imgprep measure`.

use std::path::PathBuf;

use imgprep::{Files, FollowPolicy, Measure, Measurement, OnLoss, Target, measure, measure_size};
use serde_json::{Value as Json, json};

use crate::args::{MeasureArgs, OutputFormat};
use crate::failure::{Failure, write_report};
use crate::files;
use crate::options::{Run, open, open_options};
use crate::progress::ProgressDisplay;
use crate::render::json;
use crate::render::limits::{self, ImportLimits, OutputSize};
use crate::render::print::{lines, show};
use crate::size::full;

pub(crate) fn run(args: &MeasureArgs) -> Result<(), Failure> {
    let options = args.options.iter().map(String::as_str);
    let target = Target::parse(&args.to, options).map_err(|error| Failure::Usage(error.to_string()))?;
    let profile = limits::profile(&args.profile)?;
    let free_space = |dir: &PathBuf| {
        let wrong = |error| Failure::Usage(format!("--dir {}: {error}", dir.display()));
        imgprep::free_space(dir).map_err(wrong)
    };
    let free = args.dir.as_ref().map(free_space).transpose()?;
    let mut files = files::of_measure(args);
    files.check()?;
    let measured = measured(args, &target, &mut files)?;
    let imports = ImportLimits::of(&profile, &target, size_of(&measured));
    let json = render_json(&target, &measured, &imports, free);
    if let Some(path) = &args.run.report {
        write_report(path, &json)?;
    }
    let text = match args.run.output {
        OutputFormat::Text => lines(&render(args, &measured, &imports, free)),
        OutputFormat::Json => json::text(&json),
    };
    Ok(show(&text, args.run.output == OutputFormat::Json)?)
}

fn measured(args: &MeasureArgs, target: &Target, files: &mut Files) -> Result<Measurement, Failure> {
    let Some(file) = &args.file else {
        let size = args.source.size.bytes();
        let size =
            size.ok_or_else(|| Failure::Usage("--size without FILE must be a number of bytes".into()))?;
        return Ok(measure_size(target, size)?);
    };
    let open_options = open_options(&args.source, &args.follow, FollowPolicy::Beside, OnLoss::Stop)?;
    let disk = open(file, &args.source, &open_options)?;
    files.reads_disk(&disk);
    files.check()?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["measuring", "measuring"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(OnLoss::Stop, &observe);
    let how = if args.exact { Measure::Contents } else { Measure::Tables };
    let measured = measure(&disk, target, how, &settings);
    display.finish(settings.progress.read());
    Ok(measured?)
}

fn size_of(measured: &Measurement) -> OutputSize {
    OutputSize { len: measured.required, is_exact: measured.is_exact, virtual_size: measured.virtual_size }
}

fn render(
    args: &MeasureArgs,
    measured: &Measurement,
    imports: &ImportLimits<'_>,
    free: Option<u64>,
) -> Vec<String> {
    let bound = if measured.is_exact { "" } else { "at most " };
    let mut lines = vec![
        format!("required size: {bound}{}", full(measured.required)),
        format!("fully allocated size: at most {}", full(measured.fully_allocated)),
        format!("virtual size: {}", full(measured.virtual_size)),
    ];
    if let (Some(free), Some(dir)) = (free, &args.dir) {
        lines.push(limits::space(dir, size_of(measured), free));
    }
    lines.extend(imports.lines());
    lines
}

/// The first two fields are those of `qemu-img measure`.
fn render_json(
    target: &Target,
    measured: &Measurement,
    imports: &ImportLimits<'_>,
    free: Option<u64>,
) -> Json {
    json!({
        "schema": "imgprep/measure/1", "required": measured.required, "fully-allocated": measured.fully_allocated,
        "exact": measured.is_exact, "virtual-size": measured.virtual_size, "format": target.name(),
        "profile": imports.profile(), "routes": imports.json(), "free-space": free,
    })
}

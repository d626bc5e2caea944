//! `imgprep formats`, and `-o help` of `convert`.
//!
//! Both list formats that are read and written, with their options.

use std::io::{self, Write};

use imgprep::{FORMATS, Format, TargetFormat, TargetOption};
use serde_json::{Value as Json, json};

use crate::args::{FormatsArgs, OutputFormat};
use crate::failure::Failure;
use crate::render::json;
use crate::render::print::say;

pub(crate) fn run(args: &FormatsArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if args.output == OutputFormat::Json {
        let formats: Vec<_> = FORMATS.iter().map(object).collect();
        let list = json!({ "schema": "imgprep/formats/1", "formats": formats });
        return Ok(out.write_all(json::line(&list).as_bytes())?);
    }
    for format in FORMATS {
        let target = TargetFormat::by_name(format.name);
        say(
            &mut out,
            format_args!("{:<8} {}", format.name, if target.is_some() { "read, write" } else { "read" }),
        )?;
        target.map_or(Ok(()), |target| list_options(&mut out, target))?;
    }
    Ok(())
}

/// Prints the options of one writable format.
pub(crate) fn options(format: &TargetFormat) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if format.options.is_empty() {
        say(&mut out, format.usage())?;
    }
    Ok(list_options(&mut out, format)?)
}

/// Width of the column of options.
const WIDTH: usize = 30;

fn list_options(out: &mut dyn Write, format: &TargetFormat) -> io::Result<()> {
    for TargetOption { key, values, default, about, .. } in format.options {
        let option = format!("{key}={values}");
        // A long list of values has a line of its own.
        let (line, name) = if option.len() > WIDTH { (Some(&option), "") } else { (None, option.as_str()) };
        line.map_or(Ok(()), |line| say(out, format_args!("  {line}")))?;
        say(out, format_args!("  {name:<WIDTH$} {about} (default: {default})"))?;
    }
    Ok(())
}

fn object(format: &Format) -> Json {
    let target = TargetFormat::by_name(format.name);
    let option = |option: &TargetOption| json!({ "key": option.key, "values": option.values, "default": option.default, "about": option.about });
    json!({
        "name": format.name,
        "aliases": format.aliases,
        "extensions": format.extensions,
        "written": target.is_some(),
        "options": target.map_or(Vec::new(), |target| target.options.iter().map(option).collect()),
    })
}

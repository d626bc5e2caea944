//! The target of a conversion: its format and its compression.

use std::path::Path;

use imgprep::policy::quote;
use imgprep::{Compression, Target};

use crate::args::ConvertArgs;
use crate::failure::Failure;

/// The options of a target as they were typed.
pub(crate) struct TargetOptions<'a> {
    /// `K=V`.
    pub(crate) options: &'a [String],
    pub(crate) level: Option<u32>,
    pub(crate) is_zlib: bool,
}

/// Compression settings of a ZVHD2, from `-o` or from --level and --zlib.
#[derive(Default)]
struct Zvhd2Options {
    level: Option<u32>,
    is_zlib: Option<bool>,
    has_checksum: Option<bool>,
}

/// By `-O`, else by the output's extension.
pub(crate) fn parse(args: &ConvertArgs) -> Result<Target, Failure> {
    let extension = || args.dst.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let name = args.to.clone().or_else(extension).unwrap_or_default();
    let options = TargetOptions { options: &args.options, level: args.level, is_zlib: args.zlib };
    if let Some(target) = named(&name, &options)? {
        return Ok(target);
    }
    if is_not_written(&name) {
        return Err(Failure::Usage(not_written(&name, &args.src, &args.dst)));
    }
    Err(Failure::Usage(match &args.to {
        Some(to) => format!("-O {to}: unknown format; the writable formats are zvhd2 and raw"),
        None => format!(
            "{}: the extension selects no writable format: use -O zvhd2 or -O raw",
            args.dst.display()
        ),
    }))
}

/// Whether a format is known and not written.
pub(crate) fn is_not_written(name: &str) -> bool {
    qemu_name(name).is_some() || ["zvhd", "avhd", "avhdx", "vhds"].contains(&name)
}

/// What `qemu-img` calls a format that it writes and this program does not.
fn qemu_name(name: &str) -> Option<&'static str> {
    let names = ["vmdk", "qcow2", "qcow", "qed", "vdi", "vpc", "vhdx"];
    let asked = if name == "vhd" { "vpc" } else { name };
    names.into_iter().find(|known| *known == asked)
}

/// What to do instead, as commands to paste.
fn not_written(name: &str, src: &Path, dst: &Path) -> String {
    let known = format!("cannot write {name}: the writable formats are zvhd2 and raw");
    let Some(qemu) = qemu_name(name) else { return known };
    let raw = dst.with_extension("raw");
    let (src, raw, dst) = (quote(src.as_os_str()), quote(raw.as_os_str()), quote(dst.as_os_str()));
    format!(
        "{known}; for {name}, convert to RAW first: imgprep convert {src} {raw} && qemu-img convert -f raw -O {qemu} {raw} {dst}"
    )
}

/// The target of this name, if there is one.
pub(crate) fn named(name: &str, options: &TargetOptions<'_>) -> Result<Option<Target>, Failure> {
    match name {
        "raw" | "img" => raw(options).map(Some),
        "zvhd2" => zvhd2(&zvhd2_options(options)?).map(Some),
        _ => Ok(None),
    }
}

fn raw(options: &TargetOptions<'_>) -> Result<Target, Failure> {
    if let Some(option) = options.options.first() {
        return Err(Failure::Usage(format!("-o {option}: raw has no options")));
    }
    if options.level.is_some() || options.is_zlib {
        return Err(Failure::Usage("--level and --zlib are for ZVHD2: a RAW is not compressed".into()));
    }
    Ok(Target::Raw)
}

fn zvhd2(zvhd2: &Zvhd2Options) -> Result<Target, Failure> {
    let is_zlib = zvhd2.is_zlib.unwrap_or(false);
    let (level, highest) = (zvhd2.level.unwrap_or(if is_zlib { 6 } else { 3 }), if is_zlib { 9 } else { 22 });
    if !(1..=highest).contains(&level) {
        let name = if is_zlib { "zlib" } else { "zstd" };
        return Err(Failure::Usage(format!("level {level}: {name} has levels 1 to {highest}")));
    }
    if is_zlib && zvhd2.has_checksum == Some(true) {
        // Its checksum would be that of a finished stream, which the vendor's reader refuses.
        return Err(Failure::Usage("-o checksum=on: zlib payloads of a ZVHD2 have no checksum".into()));
    }
    Ok(Target::Zvhd2(if is_zlib {
        Compression::ZlibOpen { level }
    } else {
        // OK: 22 at most.
        let level = i32::try_from(level).unwrap_or(3);
        Compression::Zstd { level, has_checksum: zvhd2.has_checksum.unwrap_or(true) }
    }))
}

fn zvhd2_options(options: &TargetOptions<'_>) -> Result<Zvhd2Options, Failure> {
    let mut zvhd2 =
        Zvhd2Options { level: options.level, is_zlib: options.is_zlib.then_some(true), has_checksum: None };
    for option in options.options {
        match option.split_once('=') {
            Some(("level", level)) => {
                let level = level.parse().map_err(|_| wrong(option, "expected a whole number"))?;
                set(&mut zvhd2.level, level, option)?;
            }
            Some(("compression_type", "zstd")) => set(&mut zvhd2.is_zlib, false, option)?,
            Some(("compression_type", "zlib")) => set(&mut zvhd2.is_zlib, true, option)?,
            Some(("checksum", "on" | "true")) => set(&mut zvhd2.has_checksum, true, option)?,
            Some(("checksum", "off" | "false")) => set(&mut zvhd2.has_checksum, false, option)?,
            _ => {
                return Err(wrong(
                    option,
                    "zvhd2 has level=N, compression_type=zstd|zlib and checksum=on|off",
                ));
            }
        }
    }
    Ok(zvhd2)
}

fn set<T>(place: &mut Option<T>, value: T, option: &str) -> Result<(), Failure> {
    if place.replace(value).is_some() { Err(wrong(option, "duplicate option")) } else { Ok(()) }
}

fn wrong(option: &str, what: &str) -> Failure {
    Failure::Usage(format!("-o {option}: {what}"))
}

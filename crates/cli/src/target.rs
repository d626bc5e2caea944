//! The target of a conversion: its format and its compression.

use std::path::Path;

use imgprep::policy::quote;
use imgprep::{ClusterCompression, ClusterSize, Compression, Target};

use crate::args::ConvertArgs;
use crate::failure::Failure;
use crate::size::Size;

/// The formats that are written, as messages list them.
pub(crate) const WRITABLE: &str = "the writable formats are zvhd2, qcow2 and raw";

/// The options of a target as they were typed.
pub(crate) struct TargetOptions<'a> {
    /// `K=V`.
    pub(crate) options: &'a [String],
    pub(crate) level: Option<u32>,
    pub(crate) is_zlib: bool,
}

/// What `-o`, --level and --zlib say, whatever the format.
#[derive(Default)]
struct Settings {
    level: Option<u32>,
    is_zlib: Option<bool>,
    /// ZVHD2: whether zstd blocks have a checksum.
    has_checksum: Option<bool>,
    /// QCOW2: whether clusters are compressed.
    compress: Option<bool>,
    /// QCOW2.
    cluster_size: Option<ClusterSize>,
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
        Some(to) => format!("-O {to}: unknown format; {WRITABLE}"),
        None => format!(
            "{}: the extension selects no writable format: use -O zvhd2, -O qcow2 or -O raw",
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
    let names = ["vmdk", "qcow", "qed", "vdi", "vpc", "vhdx"];
    let asked = if name == "vhd" { "vpc" } else { name };
    names.into_iter().find(|known| *known == asked)
}

/// What to do instead, as commands to paste.
fn not_written(name: &str, src: &Path, dst: &Path) -> String {
    let known = format!("cannot write {name}: {WRITABLE}");
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
        "zvhd2" => zvhd2(&settings(options, ZVHD2_OPTIONS)?).map(Some),
        "qcow2" => qcow2(&settings(options, QCOW2_OPTIONS)?).map(Some),
        _ => Ok(None),
    }
}

const ZVHD2_OPTIONS: &str = "zvhd2 has level=N, compression_type=zstd|zlib and checksum=on|off";
const QCOW2_OPTIONS: &str =
    "qcow2 has cluster_size=SIZE, compress=on|off, compression_type=zlib|zstd and level=N";

fn raw(options: &TargetOptions<'_>) -> Result<Target, Failure> {
    if let Some(option) = options.options.first() {
        return Err(Failure::Usage(format!("-o {option}: raw has no options")));
    }
    if options.level.is_some() || options.is_zlib {
        return Err(Failure::Usage(
            "--level and --zlib are for ZVHD2 and QCOW2: a RAW is not compressed".into(),
        ));
    }
    Ok(Target::Raw)
}

fn zvhd2(settings: &Settings) -> Result<Target, Failure> {
    let is_zlib = settings.is_zlib.unwrap_or(false);
    let level = level(settings, is_zlib)?;
    if is_zlib && settings.has_checksum == Some(true) {
        // Its checksum would be that of a finished stream, which the vendor's reader refuses.
        return Err(Failure::Usage("-o checksum=on: zlib payloads of a ZVHD2 have no checksum".into()));
    }
    Ok(Target::Zvhd2(if is_zlib {
        Compression::ZlibOpen { level }
    } else {
        Compression::Zstd { level: signed(level), has_checksum: settings.has_checksum.unwrap_or(true) }
    }))
}

/// A kind of compression or a level says that clusters are compressed.
fn qcow2(settings: &Settings) -> Result<Target, Failure> {
    let is_implied = settings.level.is_some() || settings.is_zlib.is_some();
    if is_implied && settings.compress == Some(false) {
        return Err(Failure::Usage("-o compress=off contradicts the compression that is asked for".into()));
    }
    // As QEMU: all its versions that read QCOW2 read zlib.
    let is_zlib = settings.is_zlib.unwrap_or(true);
    let level = level(settings, is_zlib)?;
    let compression = if is_zlib {
        ClusterCompression::Zlib { level }
    } else {
        ClusterCompression::Zstd { level: signed(level) }
    };
    Ok(Target::Qcow2 {
        cluster_size: settings.cluster_size.unwrap_or_default(),
        compression: settings.compress.unwrap_or(is_implied).then_some(compression),
    })
}

fn level(settings: &Settings, is_zlib: bool) -> Result<u32, Failure> {
    let (name, default, highest) = if is_zlib { ("zlib", 6, 9) } else { ("zstd", 3, 22) };
    let level = settings.level.unwrap_or(default);
    if (1..=highest).contains(&level) {
        Ok(level)
    } else {
        Err(Failure::Usage(format!("level {level}: {name} has levels 1 to {highest}")))
    }
}

fn signed(level: u32) -> i32 {
    // OK: 22 at most.
    i32::try_from(level).unwrap_or(3)
}

/// Reads the options of a format. `known` names those that it has.
fn settings(options: &TargetOptions<'_>, known: &str) -> Result<Settings, Failure> {
    let mut settings =
        Settings { level: options.level, is_zlib: options.is_zlib.then_some(true), ..Settings::default() };
    for option in options.options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        if !known.contains(&format!(" {key}=")) {
            return Err(wrong(option, known));
        }
        match key {
            "level" => {
                let level = value.parse().map_err(|_| wrong(option, "expected a whole number"))?;
                set(&mut settings.level, level, option)?;
            }
            "compression_type" => {
                let is_zlib = choice(value, ["zlib", "zstd"]).ok_or_else(|| wrong(option, known))?;
                set(&mut settings.is_zlib, is_zlib, option)?;
            }
            "checksum" => set(&mut settings.has_checksum, switch(value, option, known)?, option)?,
            "compress" => set(&mut settings.compress, switch(value, option, known)?, option)?,
            "cluster_size" => set(&mut settings.cluster_size, cluster_size(value, option)?, option)?,
            _ => return Err(wrong(option, known)),
        }
    }
    Ok(settings)
}

fn cluster_size(value: &str, option: &str) -> Result<ClusterSize, Failure> {
    let bytes = value.parse::<Size>().ok().and_then(Size::bytes);
    bytes
        .and_then(ClusterSize::new)
        .ok_or_else(|| wrong(option, "clusters have a power of two from 512 to 2M bytes"))
}

fn switch(value: &str, option: &str, known: &str) -> Result<bool, Failure> {
    let value = match value {
        "true" => "on",
        "false" => "off",
        other => other,
    };
    choice(value, ["on", "off"]).ok_or_else(|| wrong(option, known))
}

/// Whether it is the first of two words.
fn choice(value: &str, words: [&str; 2]) -> Option<bool> {
    words.iter().position(|word| *word == value).map(|index| index == 0)
}

fn set<T>(place: &mut Option<T>, value: T, option: &str) -> Result<(), Failure> {
    if place.replace(value).is_some() { Err(wrong(option, "duplicate option")) } else { Ok(()) }
}

fn wrong(option: &str, what: &str) -> Failure {
    Failure::Usage(format!("-o {option}: {what}"))
}

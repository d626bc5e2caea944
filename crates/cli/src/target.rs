//! The target of a conversion, from `-O`, `-o`, --level and --zlib or from the name of the output.

use imgprep::policy::quote;
use imgprep::{Target, TargetError, TargetFormat};

use crate::args::ConvertArgs;
use crate::failure::Failure;

/// The name of the format: `-O`, or the extension of the output.
fn name(args: &ConvertArgs) -> String {
    let extension = || args.dst.extension().map(|extension| extension.to_string_lossy().into_owned());
    args.to.clone().or_else(extension).unwrap_or_default().to_ascii_lowercase()
}

/// The format of the output, whatever its options.
pub(crate) fn format(args: &ConvertArgs) -> Result<&'static TargetFormat, Failure> {
    TargetFormat::from_name(&name(args)).map_err(|error| Failure::Usage(message(&error, args)))
}

/// By `-O`, else by the output's extension.
pub(crate) fn parse(args: &ConvertArgs) -> Result<Target, Failure> {
    let name = name(args);
    if (args.level.is_some() || args.zlib)
        && TargetFormat::by_name(&name).is_some_and(|it| it.options.is_empty())
    {
        return Err(Failure::Usage(format!(
            "--level and --zlib do not apply to {name}, which is not compressed"
        )));
    }
    let level = args.level.map(|level| format!("level={level}"));
    let zlib = args.zlib.then(|| "compression_type=zlib".to_string());
    let options = level.iter().chain(&zlib).chain(&args.options).map(String::as_str);
    Target::parse(&name, options).map_err(|error| Failure::Usage(message(&error, args)))
}

fn message(error: &TargetError, args: &ConvertArgs) -> String {
    match (error, &args.to) {
        (TargetError::NotWritten { name, .. }, _) => not_written(error, name, args),
        (TargetError::Unknown { .. }, Some(_)) => format!("-O {error}"),
        (TargetError::Unknown { .. }, None) => format!(
            "{}: the extension selects no writable format: use {}",
            args.dst.display(),
            format_options()
        ),
        (TargetError::Option { .. } | TargetError::Contradiction(_), _) => format!("-o {error}"),
        (TargetError::Level { .. } | TargetError::NoLevel { .. }, _) => error.to_string(),
    }
}

/// `-O zvhd2, -O qcow2 or -O raw`.
fn format_options() -> String {
    let options: Vec<_> = imgprep::TARGETS.iter().map(|format| format!("-O {}", format.name)).collect();
    imgprep::listed(&options, "or")
}

/// What `qemu-img` calls a format that it writes and this program does not.
fn qemu_name(name: &str) -> Option<&'static str> {
    let names = ["qcow", "qed", "vhdx"];
    names.into_iter().find(|known| *known == name)
}

/// The error with the commands that convert with `qemu-img`, ready to paste.
fn not_written(error: &TargetError, name: &str, args: &ConvertArgs) -> String {
    let Some(qemu) = qemu_name(name) else { return error.to_string() };
    let raw = args.dst.with_extension("raw");
    let [src, raw, dst] = [&args.src, &raw, &args.dst].map(|path| quote(path.as_os_str()));
    format!(
        "{error}; for {name}, convert to RAW first: imgprep convert {src} {raw} && qemu-img convert -f raw -O {qemu} {raw} {dst}"
    )
}

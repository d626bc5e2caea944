//! The target of a conversion.
//!
//! It is given by `-O`, `-o`, --level and --zlib, or by the name of the output.

use imgprep::{Target, TargetError, TargetFormat};

use crate::args::ConvertArgs;
use crate::failure::Failure;

/// The name of the format: `-O`, or the extension of the output.
fn name(args: &ConvertArgs) -> String {
    let extension = || args.dst.extension().map(|extension| extension.to_string_lossy().into_owned());
    args.to.clone().or_else(extension).unwrap_or_default().to_ascii_lowercase()
}

/// The format of the output, without its options.
pub(crate) fn format(args: &ConvertArgs) -> Result<&'static TargetFormat, Failure> {
    TargetFormat::from_name(&name(args)).map_err(|error| Failure::Usage(message(&error, args)))
}

/// The target with its options. The format is `-O`, or the output's extension.
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
        (TargetError::Unknown { .. }, Some(_)) => format!("-O {error}"),
        (TargetError::Unknown { .. }, None) => format!(
            "{}: the extension selects no writable format: use {}",
            args.dst.display(),
            format_options()
        ),
        (TargetError::Option { .. } | TargetError::Contradiction(_), _) => format!("-o {error}"),
        (TargetError::NotWritten { .. } | TargetError::Level { .. } | TargetError::NoLevel { .. }, _) => {
            error.to_string()
        }
    }
}

/// `-O zvhd2, -O qcow2 or -O raw`.
fn format_options() -> String {
    let options: Vec<_> = imgprep::TARGETS.iter().map(|format| format!("-O {}", format.name)).collect();
    imgprep::listed(&options, "or")
}

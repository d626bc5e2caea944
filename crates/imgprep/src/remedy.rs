//! What to type next where a file is not read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use imgprep_catalog::DetectError;
use imgprep_map::{Error, Remedy};
use imgprep_policy::quote;

/// Extensions that decompressing and decrypting take away.
const COMPRESSED_EXTENSIONS: &[&str] =
    &["gz", "xz", "zst", "zstd", "lzma", "bz2", "bz3", "lz4", "lz", "lzo", "lrz", "z", "gpg", "pgp", "age"];

/// What to do about a file that is not read: a command with its name.
pub fn remedy(error: &Error) -> Option<Remedy> {
    let detail = error.detail::<DetectError>()?;
    let path = Path::new(error.path().unwrap_or("FILE"));
    if let Some(descriptor) = descriptor(detail, path) {
        let arguments = quote(descriptor.as_os_str());
        return Some(Remedy::Imgprep { command: "info", arguments, comment: None });
    }
    Some(detail.remedy()?.map(|line| with_names(line, path)))
}

/// The command line with the name of the file and of an output that does not exist yet.
fn with_names(line: &str, path: &Path) -> String {
    let words = line.split(' ').map(|word| {
        if let Some(rest) = word.strip_prefix("FILE") {
            return quote(with_ending(path, rest).as_os_str());
        }
        word.strip_prefix("OUT").map_or_else(|| word.to_string(), |rest| quote(free(path, rest).as_os_str()))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The descriptor beside a file that is a part of a disk and was not read for that.
pub fn descriptor_beside(error: &Error) -> Option<PathBuf> {
    descriptor(error.detail::<DetectError>()?, Path::new(error.path()?))
}

/// The descriptor of the disk that the file at `path` is a part of, if it lies beside it.
fn descriptor(error: &DetectError, path: &Path) -> Option<PathBuf> {
    error.descriptor().map(|name| path.with_file_name(name)).filter(|path| path.is_file())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}

/// A name beside `path` that no file has: its own without the extension of a compressor, else with `.raw` (or `ending`)
/// after it.
fn free(path: &Path, ending: &str) -> PathBuf {
    let is_compressed =
        |extension: &OsStr| COMPRESSED_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known));
    let shorter = path.extension().is_some_and(is_compressed) && ending.is_empty();
    let ending = if ending.is_empty() { ".raw" } else { ending };
    let numbered = (1_u32..).map(|number| with_ending(path, &format!(".{number}{ending}")));
    let names = shorter.then(|| path.with_extension("")).into_iter();
    let mut names = names.chain([with_ending(path, ending)]).chain(numbered);
    // OK: the numbers do not end before the names of a folder do.
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| with_ending(path, ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(detail: DetectError, path: &Path) -> String {
        remedy(&Error::new(detail).in_path(path.display().to_string())).unwrap().to_string()
    }

    fn compressed(name: &'static str) -> DetectError {
        DetectError::NoDisk { name, at: 0, description: String::new(), remedy: "" }
    }

    #[test]
    fn outputs_have_names_that_are_free_and_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let shown = |name: &str| at(name).display().to_string();
        assert_eq!(
            command(compressed("gzip"), &at("disk.raw.gz")),
            format!("gzip -dc {} > {}", shown("disk.raw.gz"), shown("disk.raw"))
        );
        std::fs::write(at("disk.raw"), "").unwrap();
        assert!(command(compressed("gzip"), &at("disk.raw.gz")).ends_with(&shown("disk.raw.gz.raw")));
        assert!(command(compressed("xz"), &at("x.qcow2")).ends_with(&shown("x.qcow2.raw")));
        std::fs::write(at("x.qcow2.raw"), "").unwrap();
        assert!(command(compressed("xz"), &at("x.qcow2")).ends_with(&shown("x.qcow2.1.raw")));
        let spaced = command(compressed("zstd"), &at("my disk.zst"));
        assert_eq!(spaced, format!("zstd -dc '{}' > '{}'", shown("my disk.zst"), shown("my disk")));
    }

    #[test]
    fn a_part_leads_to_its_descriptor_if_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("web-flat.vmdk");
        let detail = || DetectError::ExtensionDenied {
            ending: "-flat.vmdk".into(),
            description: String::new(),
            descriptor: Some("web.vmdk".into()),
        };
        assert_eq!(command(detail(), &part), format!("imgprep info --from raw {}", part.display()));
        let descriptor = folder.path().join("web.vmdk");
        std::fs::write(&descriptor, "").unwrap();
        assert_eq!(command(detail(), &part), format!("imgprep info {}", descriptor.display()));
    }
}

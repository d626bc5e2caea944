//! The import service's own tool makes the bitmap of a RAW.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgprep_io::{OutputFile, OutputOptions};
use imgprep_map::Error;

use crate::FaceError;

/// A command with its arguments, in which `{raw}` and `{mf}` stand for the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapCommand(Vec<String>);

impl BitmapCommand {
    /// Splits a line as a shell would (quotes, backslashes); nothing is expanded, no shell runs.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let words = shlex::split(line).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| wrong(line, "its quotes do not match, or it is empty"))?;
        for place in ["{raw}", "{mf}"] {
            if !words.iter().any(|word| word.contains(place)) {
                return Err(wrong(line, "it must name both {raw} and {mf}"));
            }
        }
        Ok(Self(words))
    }

    /// Makes the bitmap of `raw` under the name `path`, not published yet.
    pub(crate) fn make(&self, raw: &Path, path: &Path, options: OutputOptions) -> Result<Made, Error> {
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
        self.run(raw, file.temporary_path()).map_err(in_path)?;
        let len = std::fs::metadata(file.temporary_path()).map_or(0, |found| found.len());
        if len == 0 {
            return Err(in_path(FaceError::BitmapCommand { what: "it wrote nothing".into() }.into()));
        }
        Ok(Made { file, path: path.to_path_buf(), len })
    }

    fn run(&self, raw: &Path, mf: &Path) -> Result<(), Error> {
        // Names that are not UTF-8 can't stand inside of a word.
        let (Some(raw), Some(mf)) = (raw.to_str(), mf.to_str()) else {
            return Err(FaceError::BitmapCommand { what: "a file's name is not UTF-8".into() }.into());
        };
        let words = self.0.iter().map(|word| word.replace("{raw}", raw).replace("{mf}", mf));
        let words: Vec<_> = words.collect();
        // OK: `parse` lets no empty list pass.
        let ran = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output();
        let output =
            ran.map_err(|error| FaceError::BitmapCommand { what: format!("{}: {error}", words[0]) })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let last: String = last.chars().filter(|c| !c.is_control()).collect();
        Err(FaceError::BitmapCommand { what: format!("{}: {last}", output.status) }.into())
    }
}

fn wrong(line: &str, what: &str) -> Error {
    FaceError::BitmapCommand { what: format!("{line:?}: {what}") }.into()
}

/// A bitmap that waits for its name.
pub(crate) struct Made {
    file: OutputFile,
    path: PathBuf,
    /// Its length, in bytes.
    pub(crate) len: u64,
}

impl Made {
    pub(crate) fn publish(self) -> Result<(), Error> {
        self.file.publish().map_err(|error| Error::new(error).in_path(self.path.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        BitmapCommand::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_split_and_must_name_both_files() {
        let parsed = BitmapCommand::parse("java -jar 'Create MF.jar' {raw} --out={mf}").unwrap();
        assert_eq!(parsed.0, ["java", "-jar", "Create MF.jar", "{raw}", "--out={mf}"]);
        assert!(refused("").contains("empty"));
        assert!(refused("a '{raw} {mf}").contains("quotes"));
        assert!(refused("a {raw}").contains("{mf}"));
    }
}

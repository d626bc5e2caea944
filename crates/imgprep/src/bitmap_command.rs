//! Runs the tool of an import service that creates the bitmap of a RAW.

use std::path::Path;
use std::process::{Command, Stdio};

use imgprep_io::{OutputFile, OutputOptions};
use imgprep_map::Error;

use crate::RequestError;
use crate::bitmap_file::Made;

/// A command with its arguments. `{raw}` and `{mf}` are replaced by the paths of the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapCommand(Vec<String>);

impl BitmapCommand {
    /// Splits a line as a shell does (quotes, backslashes). Nothing is expanded, and no shell is started.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let words = shlex::split(line).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| wrong(line, "the command is empty or its quotes do not match"))?;
        for place in ["{raw}", "{mf}"] {
            if !words.iter().any(|word| word.contains(place)) {
                return Err(wrong(line, "the command must contain both {raw} and {mf}"));
            }
        }
        Ok(Self(words))
    }

    /// Creates the bitmap of `raw` for the path `path`, without publishing it. Messages show `name` instead of `raw`.
    pub(crate) fn make(
        &self,
        raw: &Path,
        name: &Path,
        path: &Path,
        options: OutputOptions,
    ) -> Result<Made, Error> {
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file = OutputFile::create_hidden(path, options).map_err(|error| in_path(error.into()))?;
        // OK: it was created with a hidden name.
        let mf = file.temporary_path().unwrap_or(path);
        self.run(&[("{raw}", raw, name), ("{mf}", mf, path)]).map_err(in_path)?;
        let len = std::fs::metadata(mf).map_or(0, |found| found.len());
        if len == 0 {
            return Err(in_path(
                RequestError::BitmapCommand { what: "the command wrote nothing".into() }.into(),
            ));
        }
        Ok(Made::theirs(file, path, len))
    }

    /// Runs the command with `files`: placeholder, path for the tool, name in messages.
    fn run(&self, files: &[(&str, &Path, &Path)]) -> Result<(), Error> {
        // Names that are not UTF-8 cannot be a part of a word.
        if files.iter().any(|(_, path, _)| path.to_str().is_none()) {
            return Err(RequestError::BitmapCommand { what: "a file name is not UTF-8".into() }.into());
        }
        let fill = |word: &String| {
            files.iter().fold(word.clone(), |word, (place, path, _)| {
                word.replace(place, path.to_str().unwrap_or_default())
            })
        };
        let words: Vec<_> = self.0.iter().map(fill).collect();
        // OK: `parse` rejects an empty list.
        let ran = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output();
        let output =
            ran.map_err(|error| RequestError::BitmapCommand { what: format!("{}: {error}", words[0]) })?;
        if output.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let last = printed.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("nothing on standard error");
        let last: String = last.chars().filter(|c| !c.is_control()).collect();
        // Hidden names do not exist any more when this is read.
        let last = files.iter().fold(last, |last, (_, path, name)| {
            last.replace(path.to_str().unwrap_or_default(), &name.display().to_string())
        });
        Err(RequestError::BitmapCommand { what: format!("{}: {last}", output.status) }.into())
    }
}

fn wrong(line: &str, what: &str) -> Error {
    RequestError::BitmapCommand { what: format!("{line:?}: {what}") }.into()
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

//! The names of files that remedies read and create.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::{Subject, quote};

/// Names that are tried before the last one is taken, whether or not it is free.
const TRIES: usize = 9;

/// Every file that a remedy for the one at `path` may create, without characters that are `forbidden` in names.
/// The caller finds out which of them exist and puts those into [`Subject::taken`].
pub fn created_names(path: &Path, forbidden: &str) -> Vec<PathBuf> {
    let clean = without(path, forbidden);
    let extensions = ["zvhd2", "raw", "vmdk", "vhdx", "vhd", "qcow2"].into_iter().map(OsStr::new);
    let mut names: Vec<_> = extensions.flat_map(|extension| candidates(&clean, "new", extension)).collect();
    names.extend(candidates(&clean, "repaired", own_extension(&clean)));
    names.extend(candidates(&clean, "new", own_extension(&clean)));
    names.retain(|name| name != path);
    names
}

/// `NAME.EXT`, `NAME-new.EXT`, `NAME-new-2.EXT` and so on.
fn candidates(path: &Path, word: &str, extension: &OsStr) -> impl Iterator<Item = PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_os_string();
    let (path, word, extension) = (path.to_path_buf(), word.to_string(), extension.to_os_string());
    (0..TRIES).map(move |number| {
        let mut name = stem.clone();
        match number {
            0 => {}
            1 => name.push(format!("-{word}")),
            _ => name.push(format!("-{word}-{number}")),
        }
        if !extension.is_empty() {
            name.push(".");
            name.push(&extension);
        }
        path.with_file_name(name)
    })
}

fn own_extension(path: &Path) -> &OsStr {
    path.extension().unwrap_or_default()
}

/// The path with a dash in place of each forbidden character of its name.
fn without(path: &Path, forbidden: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let clean = |c: char| if forbidden.contains(c) { '-' } else { c };
    let name = match name.to_str() {
        Some(text) => OsString::from(text.chars().map(clean).collect::<String>()),
        None => name.to_os_string(),
    };
    path.with_file_name(name)
}

/// A template with each `{key}` replaced once: what a name has in it is never a key.
pub(crate) fn fill_in(template: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = after.split_once('}').and_then(|(key, rest)| Some((value(key)?, rest)));
        if let Some((word, after)) = known {
            filled.push_str(&word);
            rest = after;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled + rest
}

pub(crate) fn fill_bitmap(template: &str, extension: &str, raw: &Path) -> String {
    fill_in(template, &|key| match key {
        "raw" => Some(quote(raw.as_os_str())),
        "mf" => Some(quote(raw.with_extension(extension).as_os_str())),
        _ => None,
    })
}

/// The source of a remedy and the names of the files that it creates: never the source, never an existing file.
pub(crate) struct RemedyContext<'s> {
    pub(crate) source: &'s Path,
    /// Where the source may be moved to: without what the profile forbids in names.
    pub(crate) renamed: PathBuf,
    /// What other names are made of.
    clean: PathBuf,
    taken: &'s [PathBuf],
}

impl<'s> RemedyContext<'s> {
    pub(crate) fn of(subject: &'s Subject, forbidden: &str) -> Self {
        let source = &*subject.path;
        let clean = without(source, forbidden);
        let context = Self { source, renamed: clean.clone(), clean, taken: &subject.taken };
        if context.clean == *source {
            return context;
        }
        let renamed = context.free(candidates(&context.clean, "new", own_extension(&context.clean)));
        Self { renamed, ..context }
    }

    pub(crate) fn src(&self) -> String {
        quote(self.source.as_os_str())
    }

    /// Beside the source, under its stem.
    pub(crate) fn target(&self, extension: &str) -> PathBuf {
        self.free(candidates(&self.clean, "new", OsStr::new(extension)))
    }

    fn copy(&self) -> PathBuf {
        // The first candidate is the file's own name.
        self.free(candidates(&self.clean, "repaired", own_extension(&self.clean)).skip(1))
    }

    fn free(&self, mut candidates: impl Iterator<Item = PathBuf>) -> PathBuf {
        let is_free = |name: &PathBuf| name != self.source && !self.taken.contains(name);
        let mut last = PathBuf::new();
        candidates.find(|name| {
            last.clone_from(name);
            is_free(name)
        });
        last
    }

    /// The name that a key of a template stands for, as a word of a shell.
    pub(crate) fn word(&self, key: &str) -> Option<String> {
        let path = match key {
            "src" => self.source.to_path_buf(),
            "zvhd2" | "raw" => self.target(key),
            "copy" => self.copy(),
            "renamed" => self.renamed.clone(),
            _ => return None,
        };
        Some(quote(path.as_os_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_in_file_names_are_not_replaced() {
        let command = fill_bitmap("make {raw} {mf} {other} {", "mf", "{mf} {raw}.raw".as_ref());
        assert_eq!(command, "make '{mf} {raw}.raw' '{mf} {raw}.mf' {other} {");
    }
}

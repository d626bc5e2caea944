//! Names of outputs: `{dir}/{stem}.{ext}`.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// How an output is named after its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The source's folder below the one that was searched.
    Dir,
    /// The source's name without its last extension.
    Stem,
    /// The source's whole name.
    Name,
    /// The target format's extension.
    Ext,
}

impl Default for Template {
    fn default() -> Self {
        Self(vec![Part::Dir, Part::Text("/".into()), Part::Stem, Part::Text(".".into()), Part::Ext])
    }
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(open);
            let close = after.find('}').filter(|_| after.starts_with('{'));
            let close = close.ok_or(format!("{text}: its braces do not match"))?;
            parts.push(Part::Text(before.into()));
            parts.push(match &after[1..close] {
                "dir" => Part::Dir,
                "stem" => Part::Stem,
                "name" => Part::Name,
                "ext" => Part::Ext,
                other => {
                    return Err(format!("{{{other}}}: the names are {{dir}}, {{stem}}, {{name}}, {{ext}}"));
                }
            });
            rest = &after[close + 1..];
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| *part != Part::Text(String::new()));
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Err(format!("{text}: all outputs would have the same name; add {{stem}} or {{name}}"));
        }
        Ok(Self(parts))
    }

    /// The path of the output below the output folder.
    pub fn output(&self, source: &Path, dir: &Path, ext: &str) -> Result<PathBuf, String> {
        let mut text = OsString::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push(part),
                Part::Dir => text.push(dir),
                Part::Stem => text.push(source.file_stem().unwrap_or_default()),
                Part::Name => text.push(source.file_name().unwrap_or_default()),
                Part::Ext => text.push(ext),
            }
        }
        let text = PathBuf::from(text);
        // An empty {dir} leaves a leading slash.
        let kept = if dir.as_os_str().is_empty() { text.strip_prefix("/").unwrap_or(&text) } else { &text };
        below(kept)
    }
}

/// A relative path without `..`.
pub(crate) fn below(path: &Path) -> Result<PathBuf, String> {
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let normal: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if !is_below || normal.as_os_str().is_empty() {
        return Err(format!("{}: outputs must be inside the output folder", path.display()));
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(template: &str, source: &str, dir: &str) -> Result<String, String> {
        let template = Template::parse(template)?;
        template.output(Path::new(source), Path::new(dir), "zvhd2").map(|path| path.display().to_string())
    }

    #[test]
    fn outputs_are_named_after_their_sources() {
        let default = "{dir}/{stem}.{ext}";
        assert_eq!(Template::parse(default), Ok(Template::default()));
        assert_eq!(name(default, "/a/b/disk.old.qcow2", "b"), Ok("b/disk.old.zvhd2".into()));
        assert_eq!(name(default, "disk", ""), Ok("disk.zvhd2".into()));
        assert_eq!(name("x-{name}", "a.raw", ""), Ok("x-a.raw".into()));
    }

    #[test]
    fn what_leaves_the_folder_or_says_nothing_is_refused() {
        for (template, dir) in [("../{stem}", ""), ("/{stem}", "a"), ("{dir}/{stem}", "..")] {
            assert!(name(template, "a", dir).unwrap_err().contains("inside"), "{template}");
        }
        assert!(name("{nom}", "a", "").unwrap_err().contains("{stem}"));
        assert!(name("{stem", "a", "").unwrap_err().contains("braces"));
        assert!(name("stem}", "a", "").unwrap_err().contains("braces"));
        assert!(name("out.raw", "a", "").unwrap_err().contains("the same name"));
    }
}

//! Names in an image that lead to other files.

use std::path::Path;

use imgprep_map::{FileRole, ImageName, Severity};
use imgprep_policy::{Place, RuleId, Violation};

use crate::LayerInfo;

/// A violation under a rule of the table.
pub(crate) fn under(id: RuleId, fact: impl Into<String>) -> Violation {
    Violation::new(id.rule(), fact)
}

/// The violations of all names in a layer. No file is opened.
///
/// The name of an open file is only a note, because the file itself is checked (`has_parent`: the layer below is open). The
/// contents of other files are unknown: a parent or a data file is an error then. An extent is a warning, because no reader
/// accepts a descriptor without its extents.
pub(crate) fn names(layer: &LayerInfo, path: &Path, has_parent: bool) -> Vec<Violation> {
    let opened = |violation: Violation, is_open: bool| {
        if is_open { violation.with_severity(Severity::Note) } else { violation }
    };
    let mut found = Vec::new();
    if is_link(path) {
        found.push(under(RuleId::SafetySymlink, format!("{} is a symbolic link", path.display())));
    }
    found.extend(unnamed_parent(layer, has_parent));
    if let Some(parent) = layer.parent.as_ref().filter(|parent| parent.is_named()) {
        let place = Place { at: Some(parent.at), ..Place::default() };
        let fact = format!("the image names the backing file \"{}\"", parent.name);
        found.push(opened(under(RuleId::SafetyBackingFile, fact), has_parent).at(place.clone()));
        // If a parent is known by its identity, the name is only a hint, often from another machine.
        let severity = if parent.identities.is_empty() { Severity::Error } else { Severity::Warning };
        found.extend(leads(&parent.name, path, &place).map(|violation| match violation.rule.id {
            RuleId::SafetyOutsidePath => violation.with_severity(severity),
            _ => violation,
        }));
    }
    for associated in &layer.associated_files {
        let (id, what) = match associated.role {
            FileRole::DataFile => (RuleId::SafetyDataFile, "data file"),
            FileRole::ExtentFile | FileRole::ChangeTracking => (RuleId::SafetyExtentPath, "extent"),
        };
        let place = Place { at: Some(associated.at), ..Place::default() };
        let fact = match &associated.name {
            Some(name) => format!("the image names the {what} \"{name}\""),
            None => format!("the image needs a {what}, but does not name it"),
        };
        found.push(opened(under(id, fact), layer.is_whole()).at(place.clone()));
        found.extend(associated.name.iter().filter_map(|name| leads(name, path, &place)));
    }
    found
}

/// The violation of a parent that is known by its identity only.
fn unnamed_parent(layer: &LayerInfo, has_parent: bool) -> Option<Violation> {
    let parent = layer.parent.as_ref().filter(|parent| !parent.is_named())?;
    let place = Place { at: Some(parent.at), ..Place::default() };
    let fact = format!("the image needs the parent {}, but does not name its file", parent.label());
    let violation = under(RuleId::SafetyBackingFile, fact).at(place);
    Some(if has_parent { violation.with_severity(Severity::Note) } else { violation })
}

/// The violation of a name that leads out of the folder or to a link.
fn leads(name: &ImageName, image: &Path, place: &Place) -> Option<Violation> {
    if let Some(why) = outside(&name.0) {
        let fact = format!("the name \"{name}\" is {why}");
        return Some(under(RuleId::SafetyOutsidePath, fact).at(place.clone()));
    }
    let text = std::str::from_utf8(&name.0).ok()?;
    let fact = || format!("the name \"{name}\" is a symbolic link next to the image");
    is_link(&image.with_file_name(text)).then(|| under(RuleId::SafetySymlink, fact()).at(place.clone()))
}

/// The reason why a name does not refer to a file in the image's folder.
pub(crate) fn outside(name: &[u8]) -> Option<&'static str> {
    let colon = name.iter().position(|byte| *byte == b':');
    let is_word =
        |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    match name {
        [b'/' | b'\\', ..] => Some("absolute"),
        [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic() => Some("absolute"),
        _ if name.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..") => {
            Some("a path with ..")
        }
        _ if colon.is_some_and(|colon| colon > 1 && is_word(&name[..colon])) => {
            Some("an address, not a file name")
        }
        _ if name.is_empty() || name.contains(&0) => Some("not a file name"),
        _ => None,
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out() {
        for (name, word) in [
            ("/etc/passwd", "absolute"),
            ("C:\\base.vhd", "absolute"),
            ("\\\\server\\share", "absolute"),
            ("../base", ".."),
            ("sub\\..\\..\\base", ".."),
            ("json:{}", "address"),
            ("nbd://host/x", "address"),
            ("", "not a file name"),
            ("a\0b", "not a file name"),
        ] {
            let why = outside(name.as_bytes()).unwrap_or_else(|| panic!("{name}"));
            assert!(why.contains(word), "{name}: {why}");
        }
        for name in ["base.qcow2", "sub/base", "a..b", "x:y z", "c:base"] {
            let why = outside(name.as_bytes());
            assert_eq!(why.filter(|_| name != "x:y z"), None, "{name}");
        }
    }
}

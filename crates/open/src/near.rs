//! Suggestions for a file name that does not exist.
//!
//! Only the image's own folder is listed, whatever folder the name contains: the result reveals nothing about other folders.
//! Nothing found here is opened.

use std::path::Path;

use imgprep_map::FileRef;
use unicode_normalization::UnicodeNormalization as _;

use crate::{ChainError, OpenOptions};

/// Maximum number of files that are compared.
const ENTRIES: usize = 4096;
/// Maximum edit distance of a suggestion.
const DISTANCE: usize = 2;

/// How a name differs from that of a file, the likeliest mistake first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    Normalization,
    Case,
    Percent,
    Foreign,
    Characters(usize),
}

/// The same error, with the declared encoding of the name and the nearest file beside the image. Files that
/// the image names elsewhere (`named`) are no candidates.
pub(crate) fn explain(
    error: ChainError,
    image: &Path,
    encoding: Option<&str>,
    named: &[FileRef],
    options: &OpenOptions,
) -> ChainError {
    let ChainError::Missing { at, name } = error else { return error };
    let mut hint = encoding.map(|encoding| format!("; its name is in {encoding}")).unwrap_or_default();
    let others = named.iter().filter_map(|file| file.name.as_ref()).map(ToString::to_string);
    let others: Vec<_> = others.filter(|other| *other != name).collect();
    let nearest = if options.namespace.is_none() { nearest(image, &name, &others) } else { None };
    if let Some((found, difference)) = nearest {
        hint += &format!("; {found:?} next to the image {}", difference.text());
    }
    if hint.is_empty() { ChainError::Missing { at, name } } else { ChainError::NotThere { at, name, hint } }
}

/// The file beside the image whose name is nearest to the last part of `name`.
fn nearest(image: &Path, name: &str, others: &[String]) -> Option<(String, Difference)> {
    let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = name.rsplit(['/', '\\']).next().filter(|last| !last.is_empty())?;
    let entries = std::fs::read_dir(folder).ok()?.take(ENTRIES).flatten();
    let names = entries.filter(|entry| Some(&*entry.file_name()) != image.file_name());
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let candidates = names.filter(|found| !others.contains(found));
    let found = candidates.filter_map(|found| Some((difference(wanted, &found)?, found)));
    found.min().map(|(difference, found)| (found, difference))
}

fn difference(wanted: &str, found: &str) -> Option<Difference> {
    let (one, two) = (wanted.nfc().collect::<String>(), found.nfc().collect::<String>());
    if one == two {
        return Some(Difference::Normalization);
    }
    let (one, two) = (one.to_lowercase(), two.to_lowercase());
    if one == two {
        return Some(Difference::Case);
    }
    if decoded(&one) == decoded(&two) {
        return Some(Difference::Percent);
    }
    if !(one.is_ascii() && two.is_ascii()) && ascii_parts(&one) == ascii_parts(&two) {
        return Some(Difference::Foreign);
    }
    // Names that differ in a number belong to a series of files: not a typing error.
    let without_digits = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    if without_digits(&one) == without_digits(&two) {
        return None;
    }
    distance(&one, &two).map(Difference::Characters)
}

impl Difference {
    fn text(self) -> String {
        match self {
            Self::Normalization => "has the same name in another Unicode normalization".into(),
            Self::Case => "differs in upper and lower case".into(),
            Self::Percent => "has the same name with other percent-encoding".into(),
            Self::Foreign => "differs only in characters that are not ASCII".into(),
            Self::Characters(1) => "differs in one character".into(),
            Self::Characters(count) => format!("differs in {count} characters"),
        }
    }
}

/// Decodes `%20` and similar sequences.
fn decoded(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = name.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// The ASCII runs of a name in another encoding.
fn ascii_parts(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_ascii()).filter(|part| !part.is_empty()).collect()
}

/// The edit distance of two names, if it is small.
fn distance(one: &str, two: &str) -> Option<usize> {
    let (one, two): (Vec<_>, Vec<_>) = (one.chars().collect(), two.chars().collect());
    // OK: file names have at most 255 bytes; the lengths bound the distance from below.
    if one.len().abs_diff(two.len()) > DISTANCE || one.len() > 255 {
        return None;
    }
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    // OK: a row has at least its first entry. A name that is mostly another one is not near.
    row.last().copied().filter(|distance| *distance <= DISTANCE && *distance * 4 <= one.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invisible_difference_of_two_names_is_described() {
        for (wanted, found, want) in [
            ("B\u{fc}ro-flat.vmdk", "Bu\u{308}ro-flat.vmdk", Some(Difference::Normalization)),
            ("Win7-flat.vmdk", "win7-FLAT.VMDK", Some(Difference::Case)),
            ("B\u{dc}RO.vmdk", "bu\u{308}ro.vmdk", Some(Difference::Case)),
            ("web 01-flat.vmdk", "web%2001-flat.vmdk", Some(Difference::Percent)),
            ("web%2001.vmdk", "Web 01.vmdk", Some(Difference::Percent)),
            ("100%.vmdk", "100%25.vmdk", Some(Difference::Percent)),
            ("\u{670d}-flat.vmdk", "\u{b7}\u{fe}-flat.vmdk", Some(Difference::Foreign)),
            ("base.vmdk", "bsae.vmdk", Some(Difference::Characters(2))),
            ("base.vmdk", "base.vmd", Some(Difference::Characters(1))),
            ("base.vmdk", "bass1.vmdk", Some(Difference::Characters(2))),
            ("base.vmdk", "other.vmdk", None),
            ("a-s001.vmdk", "a-s002.vmdk", None),
            ("a.img", "b.raw", None),
            ("a", "b", None),
        ] {
            assert_eq!(difference(wanted, found), want, "{wanted} {found}");
        }
    }

    #[test]
    fn only_the_most_similar_file_name_is_suggested() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        for name in ["disk.vmdk", "based.raw", "BASE.raw", "base-2.raw"] {
            std::fs::write(temp.path().join(name), "").unwrap();
        }
        let explained = |name: &str, encoding: Option<&str>, named: &[FileRef]| match explain(
            ChainError::Missing { at: 7, name: name.into() },
            &image,
            encoding,
            named,
            &OpenOptions::default(),
        ) {
            ChainError::NotThere { at: 7, hint, .. } => hint,
            ChainError::Missing { .. } => String::new(),
            other => panic!("{other:?}"),
        };
        let case = "; \"BASE.raw\" next to the image differs in upper and lower case";
        assert_eq!(explained("base.raw", None, &[]), case);
        assert_eq!(explained("C:\\images\\base.raw", None, &[]), case);
        assert_eq!(explained("../base.raw", Some("GBK"), &[]), format!("; its name is in GBK{case}"));
        let name = imgprep_map::ImageName(b"BASE.raw".to_vec());
        let named = FileRef::new(Some(name), 0, imgprep_map::FileRole::ExtentFile);
        let other = "; \"based.raw\" next to the image differs in one character";
        assert_eq!(explained("base.raw", None, std::slice::from_ref(&named)), other);
        assert_eq!(explained("disk.vmd", None, &[]), "", "the image itself is not meant");
        assert_eq!(explained("something else", None, &[]), "");
        let other = ChainError::Unnamed { at: 1 };
        assert_eq!(explain(other.clone(), &image, None, &[], &OpenOptions::default()), other);
    }
}

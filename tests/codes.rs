//! Every error code that the product can print is asserted by name in a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::root;

/// Literals of the shape of a code that are something else.
const NO_CODES: [&str; 6] =
    ["ddb.encryption", "ddb.uuid", "example.toml", "page.css", "page.js", "raw.partition"];

/// All files below a folder whose names end so, build output left out.
fn files(folder: &Path, end: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, end, into);
        } else if path.to_string_lossy().ends_with(end) {
            into.push(path);
        }
    }
}

/// The text of a source without its unit tests, and its unit tests.
fn split(path: &Path) -> (String, String) {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    if name == "tests.rs" || name == "cases.rs" || path.components().any(|part| part.as_os_str() == "tests") {
        return (String::new(), text);
    }
    let at = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    (text[..at].to_string(), text[at..].to_string())
}

/// String literals of the shape `subject.problem` or `format.subject.problem`, comments left out.
fn codes(text: &str) -> BTreeSet<String> {
    let is_code = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        let is_part = |part: &&str| {
            part.starts_with(|letter: char| letter.is_ascii_lowercase())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        (2..=4).contains(&parts.len()) && parts.iter().all(is_part)
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|literal| is_code(literal))
        .map(String::from)
        .collect()
}

#[test]
fn every_code_is_provoked_by_a_test() {
    let root = root();
    let (mut product, mut tested) = (BTreeSet::new(), String::new());
    let mut sources = Vec::new();
    files(&root.join("crates"), ".rs", &mut sources);
    for path in sources {
        let (code, tests) = split(&path);
        product.extend(codes(&code));
        tested += &tests;
    }
    assert!(product.len() > 400, "the sources are found: {}", product.len());
    let mut tests = Vec::new();
    files(&root.join("tests"), ".rs", &mut tests);
    files(&root.join("tests/golden"), "", &mut tests);
    files(&root.join("testdata-gen/src"), ".rs", &mut tests);
    for path in tests.iter().filter(|path| !path.ends_with("codes.rs")) {
        tested += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
    }
    let is_named = |code: &str| {
        let is_end = |at: usize| {
            !tested[at..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '.' || next == '-')
        };
        tested.match_indices(code).any(|(at, _)| is_end(at + code.len()))
    };
    let missing: Vec<_> =
        product.iter().filter(|code| !NO_CODES.contains(&code.as_str()) && !is_named(code)).collect();
    assert!(missing.is_empty(), "codes that no test provokes: {missing:?}");
}

#[test]
fn literals_of_the_shape_of_a_code_are_found() {
    let text =
        "a => \"vhdx.bat.overlap\", b => \"{x}.y\"\n// \"not.this\"\nlet x = \"Not.this\" + \"io.open\";";
    assert_eq!(codes(text), BTreeSet::from(["vhdx.bat.overlap".to_string(), "io.open".to_string()]));
}

//! Every error code that the product can print is listed once, leads to a rule and is asserted by name in a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgprep::Code;
use imgprep::policy::{RULES, WITHOUT_CODES, rule};

use crate::support::program::root;

#[path = "../../../crates/cli/src/codes.rs"]
mod command_line;

/// Literals of the shape of a code that are something else.
const NO_CODES: [&str; 7] =
    ["ddb.encryption", "ddb.uuid", "disk.vmdk", "example.toml", "page.css", "page.js", "raw.partition"];

/// More such literals: keys of descriptors and names of files.
const OTHER_LITERALS: [&str; 12] = [
    "ddb.geometry.cylinders",
    "ddb.geometry.heads",
    "ddb.geometry.sectors",
    "ddb.iofilters",
    "ddb.uuid.image",
    "ddb.uuid.modification",
    "ddb.uuid.parent",
    "ddb.uuid.parentmodification",
    "imgprep-batch.journal",
    "imgprep.toml",
    "jobs.toml",
    "ova.xml",
];

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
    for path in tests.iter().filter(|path| !path.ends_with("suites/cli/codes.rs")) {
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

/// All codes that are listed.
fn listed() -> Vec<&'static Code> {
    let own = [&command_line::PRINT, &command_line::USAGE];
    imgprep::codes().chain(imgprep_batch::CODES).chain(own).collect()
}

#[test]
fn every_code_in_use_is_listed_once_and_every_listed_code_is_in_use() {
    let mut sources = Vec::new();
    files(&root().join("crates"), ".rs", &mut sources);
    // The tables list codes, they do not use them. The constants of the command line are used or the compiler warns.
    let is_table = |path: &PathBuf| path.ends_with("src/codes.rs") && !path.ends_with("cli/src/codes.rs");
    let literals = sources.iter().filter(|path| !is_table(path)).flat_map(|path| codes(&split(path).0));
    let mut used: BTreeSet<_> = literals
        .filter(|literal| !NO_CODES.contains(&&**literal) && !OTHER_LITERALS.contains(&&**literal))
        .collect();
    used.insert(command_line::USAGE.id.to_string());
    let all = listed();
    let ids: BTreeSet<_> = all.iter().map(|code| code.id.to_string()).collect();
    assert_eq!(ids.len(), all.len(), "every code is listed once");
    assert_eq!(used.difference(&ids).collect::<Vec<_>>(), [""; 0], "used and not listed");
    assert_eq!(ids.difference(&used).collect::<Vec<_>>(), [""; 0], "listed and not used");
}

#[test]
fn every_code_has_a_meaning_of_one_line() {
    for code in listed() {
        let is_line = !code.meaning.is_empty() && code.meaning.len() <= 90 && !code.meaning.ends_with('.');
        assert!(is_line, "{}: {:?}", code.id, code.meaning);
    }
}

#[test]
fn codes_and_rules_lead_to_each_other() {
    let all = listed();
    let named: BTreeSet<_> =
        all.iter().flat_map(|code| code.rule.into_iter().chain(code.finding_rule)).collect();
    for id in &named {
        assert!(rule(id).is_some(), "{id} is not a rule");
    }
    for rule in RULES {
        let is_of_code = named.contains(rule.id.name());
        assert_ne!(is_of_code, WITHOUT_CODES.contains(&rule.id), "{}", rule.id);
    }
}

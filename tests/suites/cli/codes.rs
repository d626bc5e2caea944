//! Every error code that the product can print is listed once, leads to a rule and is asserted by name in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imgprep::Code;
use imgprep::policy::{RULES, WITHOUT_CODES, rule};

use crate::support::program::root;

#[path = "../../../crates/cli/src/codes.rs"]
mod command_line;

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

/// A row of a table of codes.
struct Row {
    /// The `src` folder of its crate.
    crate_source: PathBuf,
    /// How the crate refers to it: `codes::NAME`.
    constant: String,
    id: String,
}

/// The rows of all tables that `code_table!` declares.
fn rows() -> Vec<Row> {
    let mut tables = Vec::new();
    files(&root().join("crates"), "src/codes.rs", &mut tables);
    let mut rows = Vec::new();
    for table in tables {
        let text = std::fs::read_to_string(&table).unwrap();
        let Some((_, body)) = text.split_once("code_table! {\n") else { continue };
        for line in body.lines().take_while(|line| *line != "}") {
            let (name, value) = line.trim().split_once(" = ").unwrap();
            let id = value.split('"').nth(1).unwrap().to_string();
            let crate_source = table.parent().unwrap().to_path_buf();
            rows.push(Row { crate_source, constant: format!("codes::{name}"), id });
        }
    }
    rows
}

/// Whether a text contains a name that no other name continues.
fn names(text: &str, name: &str) -> bool {
    let is_end = |at: usize| {
        !text[at..].starts_with(|next: char| next.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&next))
    };
    text.match_indices(name).any(|(at, _)| is_end(at + name.len()))
}

/// The product's part and the unit tests of a crate. The table itself is left out: it lists codes and does not use them.
fn sources(crate_source: &Path) -> (String, String) {
    let mut paths = Vec::new();
    files(crate_source, ".rs", &mut paths);
    let parts: Vec<_> =
        paths.iter().filter(|path| !path.ends_with("src/codes.rs")).map(|path| split(path)).collect();
    (parts.iter().map(|part| &*part.0).collect(), parts.iter().map(|part| &*part.1).collect())
}

#[test]
fn every_code_is_used_and_provoked_by_a_test() {
    let root = root();
    let mut tests = Vec::new();
    files(&root.join("tests"), ".rs", &mut tests);
    files(&root.join("tests/golden"), "", &mut tests);
    files(&root.join("testdata-gen/src"), ".rs", &mut tests);
    let mut crates = Vec::new();
    files(&root.join("crates"), ".rs", &mut crates);
    let mut tested: String = crates.iter().map(|path| split(path).1).collect();
    for path in tests.iter().filter(|path| !path.ends_with("suites/cli/codes.rs")) {
        tested += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
    }
    let mut sources_of = BTreeMap::new();
    for Row { crate_source, constant, id } in rows() {
        let (product, unit_tests) =
            sources_of.entry(crate_source).or_insert_with_key(|folder| sources(folder));
        assert!(names(product, &constant), "{id} is listed and not used");
        assert!(names(&tested, &id) || names(unit_tests, &constant), "no test provokes {id}");
    }
    let own = [command_line::PRINT, command_line::USAGE];
    assert!(own.iter().all(|code| names(&tested, code.id)), "no test provokes a code of the command line");
}

#[test]
fn a_name_is_found_unless_another_continues_it() {
    assert!(names("a => codes::BAT,", "codes::BAT") && names("\"vhdx.bat\"", "vhdx.bat"));
    assert!(
        !names("codes::BAT_OVERLAP codes::BATS", "codes::BAT") && !names("vhdx.bat-x vhdx.bat.y", "vhdx.bat")
    );
}

/// All codes that are listed.
fn listed() -> Vec<&'static Code> {
    let own = [command_line::PRINT, command_line::USAGE];
    imgprep::codes().chain(imgprep_batch::CODES.iter().copied()).chain(own).collect()
}

#[test]
fn the_tables_of_all_crates_are_collected_and_no_id_is_listed_twice() {
    let own = [command_line::PRINT, command_line::USAGE].map(|code| code.id.to_string());
    let rows: BTreeSet<String> = rows().into_iter().map(|row| row.id).chain(own).collect();
    let listed = listed();
    let ids: BTreeSet<String> = listed.iter().map(|code| code.id.to_string()).collect();
    assert_eq!(ids.len(), listed.len(), "an id is listed twice");
    assert!(ids.len() > 400 && ids == rows, "{:?}", ids.symmetric_difference(&rows));
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

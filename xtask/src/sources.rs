//! What the sources must not say, and where.

use std::fs;
use std::path::{Path, PathBuf};

use crate::reasons;

/// Lines that a file may have beside its tests.
const LONGEST: usize = 500;

/// A text, where it is forbidden, and why.
struct Rule {
    text: &'static str,
    applies: fn(&str) -> bool,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule { text: "todo!(", applies: product, why: "no stubs" },
    Rule { text: "unimplemented!(", applies: product, why: "no stubs" },
    Rule { text: "dbg!(", applies: product, why: "no leftovers" },
    Rule {
        text: "print!(",
        applies: product,
        why: "rule 6: it panics where nobody can read it; the CLI has `print`",
    },
    Rule {
        text: "println!(",
        applies: product,
        why: "rule 6: it panics where nobody can read it; the CLI has `print`",
    },
    Rule {
        text: "io::stdout()",
        applies: |path| product(path) && !cli(path) && !io(path),
        why: "rule 6: only the CLI prints",
    },
    Rule {
        text: "std::env::",
        applies: |path| product(path) && !cli(path),
        why: "rule 6: only the CLI reads the environment",
    },
    Rule {
        text: "rayon::",
        applies: |path| product(path) && !engine(path),
        why: "rule 6: only engine and batch start threads",
    },
    Rule {
        text: "thread::spawn",
        applies: |path| product(path) && !engine(path),
        why: "rule 6: only engine and batch start threads",
    },
    Rule {
        text: "thread::scope",
        applies: |path| product(path) && !engine(path),
        why: "rule 6: only engine and batch start threads",
    },
    Rule { text: "unsafe {", applies: |path| product(path) && !io(path), why: "rule 6: only io has unsafe" },
    Rule {
        text: "std::os::",
        applies: |path| product(path) && !io(path),
        why: "rule 10: only io names a system",
    },
    Rule { text: "Code::corrupt(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::unsupported(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::limit(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::io(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::refused(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::finding(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "Code::request(", applies: outside_code_tables, why: CODES_ARE_ROWS },
    Rule { text: "use std::", applies: format, why: "rule 1: format crates are no_std" },
];

/// The reason of the rules about constructors of `Code`.
const CODES_ARE_ROWS: &str = "codes are rows of the crate's codes.rs";

/// Where no code may be made.
fn outside_code_tables(path: &str) -> bool {
    product(path) && !is_test(path) && !path.ends_with("/codes.rs")
}

/// Examples are programs of their own, which print and read their arguments.
fn product(path: &str) -> bool {
    path.starts_with("crates/") && !path.contains("/examples/")
}

/// Modules and programs that only tests contain.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn cli(path: &str) -> bool {
    path.starts_with("crates/cli/")
}

fn engine(path: &str) -> bool {
    ["crates/engine/", "crates/batch/"].iter().any(|folder| path.starts_with(folder))
}

fn io(path: &str) -> bool {
    path.starts_with("crates/io/")
}

fn format(path: &str) -> bool {
    ["crates/formats/", "crates/map/", "crates/disk/"].iter().any(|folder| path.starts_with(folder))
}

/// Checks every source file of the product and what belongs to each crate.
pub(crate) fn check_all(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in files(root) {
        let Ok(text) = fs::read_to_string(root.join(&name)) else { continue };
        if is_rust(&name) {
            found.extend(check_source(&name, &text));
            if product(&name) && !is_test(&name) {
                found.extend(reasons::check(&name, &text));
            }
        } else if name.ends_with("/Cargo.toml") {
            found.extend(check_manifest(&name, &text));
        }
    }
    found
}

/// Whether this is the name of a Rust file.
pub(crate) fn is_rust(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rs")
}

/// The Rust files and manifests of all crates, relative to the root.
pub(crate) fn files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    walk(&root.join("crates"), &mut files);
    files.iter().map(|file| file.strip_prefix(root).unwrap_or(file).display().to_string()).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            files.push(path);
        }
    }
}

/// A source file up to its tests.
pub(crate) fn product_part(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Checks the product's part of a source file.
fn check_source(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let product = product_part(text);
    for (number, line) in (1..).zip(product.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let broken = RULES.iter().filter(|rule| (rule.applies)(name) && code.contains(rule.text));
        found.extend(broken.map(|rule| format!("{name}:{number}: {}: {}", rule.text, rule.why)));
    }
    let lines = product.lines().count();
    if lines > LONGEST {
        found.push(format!("{name}: {lines} lines: longer than {LONGEST}"));
    }
    let is_vague = ["util", "common", "helper", "base", "manager"]
        .iter()
        .any(|word| name.ends_with(&format!("/{word}.rs")));
    if is_vague {
        found.push(format!("{name}: a name that is too vague"));
    }
    if format(name) && name.ends_with("/lib.rs") && !text.contains("#![no_std]") {
        found.push(format!("{name}: rule 1: format crates are no_std"));
    }
    found
}

/// Every crate has the workspace's lints, and so forbids `unsafe`; io has its own.
fn check_manifest(name: &str, text: &str) -> Vec<String> {
    let has_workspace_lints = text.contains("[lints]\nworkspace = true");
    if has_workspace_lints || name == "crates/io/Cargo.toml" {
        Vec::new()
    } else {
        vec![format!("{name}: rule 6: the workspace's lints are not inherited")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_fail_where_it_applies_and_only_there() {
        for rule in RULES {
            let bad = ["crates/open/src/a.rs", "crates/formats/raw/src/a.rs"]
                .into_iter()
                .find(|path| (rule.applies)(path));
            let bad = bad.unwrap_or_else(|| panic!("{} applies nowhere", rule.text));
            let text = format!("//! a\n{}x\n", rule.text);
            assert!(check_source(bad, &text)[0].starts_with(&format!("{bad}:2: {}", rule.text)));
            assert!(check_source("tests/a.rs", &text).is_empty());
            let in_test = format!("//! a\n#[cfg(test)]\n{}x\n", rule.text);
            assert!(check_source(bad, &in_test).is_empty());
        }
    }

    #[test]
    fn long_files_vague_names_and_missing_lints_are_found() {
        let long = "\n".repeat(LONGEST + 1);
        assert_eq!(check_source("crates/open/src/a.rs", &long).len(), 1);
        assert_eq!(check_source("crates/open/src/util.rs", "").len(), 1);
        assert_eq!(check_source("crates/formats/raw/src/lib.rs", "").len(), 1);
        assert_eq!(check_manifest("crates/open/Cargo.toml", "").len(), 1);
        assert!(check_manifest("crates/open/Cargo.toml", "[lints]\nworkspace = true\n").is_empty());
    }
}

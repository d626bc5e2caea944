//! Command-line options in messages of the library: they belong to the program, and the library gives hints.

use std::fs;
use std::path::Path;

use crate::module_source::{block_comment, quoted};
use crate::sources::{files, is_rust, product_part};

/// Files of the library that may contain options, and whose they are.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("crates/batch/src/report/html.rs", "variables of a style sheet"),
    ("crates/catalog/src/other.rs", "an option of another program"),
    ("crates/catalog/src/remedy.rs", "commands to run"),
    ("crates/policy/src/page.rs", "the documentation of the program"),
    ("crates/policy/src/remedy.rs", "commands to run"),
    ("crates/policy/src/table.rs", "commands to run"),
];

/// Checks the sources of all crates but the program.
pub(crate) fn check_all(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut unused: Vec<_> = EXCEPTIONS.iter().map(|(name, _)| *name).collect();
    for name in files(root).into_iter().filter(|name| is_library(name)) {
        let text = fs::read_to_string(root.join(&name)).unwrap_or_default();
        let options = check(&name, &text);
        if EXCEPTIONS.iter().any(|(exception, _)| name == *exception) {
            unused.retain(|exception| options.is_empty() || name != *exception);
        } else {
            found.extend(options);
        }
    }
    let needless = |name| format!("{name}: contains no option: remove it from xtask/src/options.rs");
    found.extend(unused.into_iter().map(needless));
    found
}

fn is_library(name: &str) -> bool {
    let is_program =
        ["crates/cli/", "/tests/", "/tests.rs", "/examples/"].iter().any(|part| name.contains(part));
    is_rust(name) && !is_program
}

fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = product_part(text);
    while let Some(first) = rest.chars().next() {
        let literal = quoted(rest);
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else {
            literal.unwrap_or(first.len_utf8())
        };
        if literal.is_some()
            && let Some(option) = option(&rest[..len])
        {
            found.push(format!("{name}:{line}: {option}: a library names no option: give a hint"));
        }
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    found
}

/// The first long option of a string literal.
fn option(literal: &str) -> Option<&str> {
    let start = literal.match_indices("--").map(|(at, _)| at).find(|at| {
        let is_first = !literal[..*at].ends_with(|letter: char| letter == '-' || letter.is_alphanumeric());
        is_first && literal[at + 2..].starts_with(|letter: char| letter.is_ascii_lowercase())
    })?;
    let name = &literal[start..];
    let end = name.find(|letter: char| letter != '-' && !letter.is_ascii_lowercase());
    Some(&name[..end.unwrap_or(name.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_messages_are_found() {
        let text = "/// like --force\n#[error(\"it exists; --force replaces it\")]\nstruct A; // --follow\n";
        let found = check("a.rs", text);
        assert_eq!(found, ["a.rs:2: --force: a library names no option: give a hint"]);
        assert_eq!(check("a.rs", "f(\"--accept-parent\")").len(), 1);
    }

    #[test]
    fn dashes_that_begin_no_option_are_accepted() {
        for text in ["\"a -- b\"", "\"a--b\"", "\"-----begin\"", "\"---\"", "// \"--force\"", "'-'"] {
            assert!(check("a.rs", text).is_empty(), "{text}");
        }
        assert!(check("a.rs", "#[cfg(test)]\nmod tests { const A: &str = \"--force\"; }").is_empty());
    }

    #[test]
    fn the_program_and_the_tests_may_name_options() {
        assert!(is_library("crates/io/src/error.rs"));
        for name in ["crates/cli/src/a.rs", "crates/cli/src/render/hint.rs", "crates/policy/src/tests.rs"] {
            assert!(!is_library(name), "{name}");
        }
    }
}

//! Words that must not appear in comments, string literals and Markdown: each has a plainer one.

use std::fs;
use std::path::Path;

use crate::module_source::{block_comment, quoted};

/// A word or phrase, and what to write instead.
const WORDS: &[(&str, &str)] = &[
    ("told", "reported, printed or given"),
    ("said", "reported, printed or declared"),
    ("wish", "request or option"),
    ("wishes", "requests or options"),
    ("wished", "requested"),
    ("shall", "must"),
    ("is none", "what is wrong: invalid, missing, not a ..."),
    ("cannot be had", "not available or cannot be ..."),
    ("for nobody", "what is discarded"),
    ("all the same", "still or nevertheless"),
    ("anew", "again"),
    ("goes on", "continues"),
    ("looks at", "reads, checks or inspects"),
];

const FOLDERS: [&str; 6] = [".", "crates", "docs", "testdata-gen", "tests", "xtask"];

/// This file, which lists the words.
const OWN: &str = "xtask/src/words.rs";

/// Checks the Rust and Markdown files of the workspace.
pub(crate) fn check_all(root: &Path) -> Vec<String> {
    FOLDERS.iter().flat_map(|folder| check_folder(root, folder)).collect()
}

/// The files of a folder and of those below it; of the root's only its own.
fn check_folder(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let name = entry.file_name().display().to_string();
        let name = if folder == "." { name } else { format!("{folder}/{name}") };
        if entry.path().is_dir() {
            if folder != "." {
                found.extend(check_folder(root, &name));
            }
        } else if name != OWN {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            found.extend(check(&name, &text));
        }
    }
    found
}

fn check(name: &str, text: &str) -> Vec<String> {
    let prose = match name.rsplit_once('.') {
        Some((_, "rs")) => rust_prose(text),
        Some((_, "md")) => text.into(),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(prose.lines()) {
        let line = without_code(line).to_lowercase();
        let bad = WORDS.iter().filter(|(word, _)| contains_word(&line, word));
        found.extend(bad.map(|(word, instead)| format!("{name}:{number}: \"{word}\": write {instead}")));
    }
    found
}

/// The comments and the string literals with blanks of a source file, at their lines.
fn rust_prose(text: &str) -> String {
    let mut prose = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (len, is_prose) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            (block_comment(rest), true)
        } else if let Some(len) = quoted(rest) {
            (len, rest[..len].contains(' '))
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            (end.unwrap_or(rest.len()), false)
        } else {
            (first.len_utf8(), false)
        };
        let token = &rest[..len];
        if is_prose {
            prose.push_str(token);
        } else {
            prose.extend(token.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        }
        rest = &rest[len..];
    }
    prose
}

/// A line without what stands in backticks and without placeholders.
fn without_code(line: &str) -> String {
    let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut depth = 0_usize;
    plain
        .chars()
        .filter(|letter| {
            let was_inside = depth > 0;
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && !was_inside
        })
        .collect()
}

fn contains_word(line: &str, word: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_letter) && !line[at + word.len()..].starts_with(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_in_comments_literals_and_markdown() {
        for (word, _) in WORDS {
            let places = [
                ("a.rs", format!("//! a\n/// it {word} b\nfn f() {{}}\n")),
                ("a.rs", format!("fn f() {{\n    g(\"it {word} b\");\n}}\n")),
                ("a.rs", format!("/* a\nit {word} b */\n")),
                ("a.md", format!("# A\nIt {word}.\n")),
            ];
            for (name, text) in places {
                let found = check(name, &text);
                assert!(found.first().is_some_and(|line| line.starts_with(&format!("{name}:2: \"{word}\""))));
                assert_eq!(found.len(), 1, "{found:?}");
            }
        }
    }

    #[test]
    fn code_and_parts_of_words_are_not_prose() {
        for text in [
            "let said = told(wish);",
            "f(\"told\");",
            "f(\"it is {said:?} here\");",
            "// see `told`, and aforesaid\n",
            "let a = '\"'; said(\"a b\");",
        ] {
            assert!(check("a.rs", text).is_empty(), "{text}");
        }
        assert!(check("a.toml", "# told").is_empty());
    }
}

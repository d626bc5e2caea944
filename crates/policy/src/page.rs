//! The rules as a page of the documentation.

use std::fmt::Write;

use imgprep_map::Severity;

use crate::RULES;

/// The page, in Markdown. A test compares the file in the repository with it.
pub fn page() -> String {
    let mut page = String::from(
        "# Rules of `imgprep check`\n\n\
         Generated from the table in `crates/policy/src/table.rs` by `cargo xtask docs`: edit the table.\n\
         `imgprep check --explain RULE` prints the same text. Severities are defaults; `--deny`, `--warn` and\n\
         `--allow` change them. The source of some rules is the document of the profile (`--profile`).\n",
    );
    let mut group = "";
    for rule in RULES {
        let this = rule.id.group();
        if this != group {
            let _ = write!(page, "\n## {this}\n");
            group = this;
        }
        let _ = write!(
            page,
            "\n### `{}`\n\n*{}*: {}.\n\nWhy: {}.\n\nSource: {}.\n",
            rule.id,
            word(rule.severity),
            rule.requirement,
            rule.why,
            if rule.source.is_empty() { "the profile's document" } else { rule.source }
        );
        match rule.remedies {
            [] => {}
            [only] => {
                let _ = write!(page, "\nRemedy: `{only}`\n");
            }
            several => {
                page.push_str("\nRemedy, the first one that works on the file:\n\n");
                several.iter().for_each(|remedy| {
                    let _ = writeln!(page, "* `{remedy}`");
                });
            }
        }
    }
    page
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

//! Expressions that are allowed with a reason only: a comment `// OK: ...` on their line or before their statement.

use crate::module_source::{block_comment, quoted};

/// Checks the product's part of a source file.
pub(crate) fn check(name: &str, text: &str) -> Vec<String> {
    let product = product(text);
    let (code, comments) = split(&product);
    let lines: Vec<&str> = code.lines().collect();
    let has_reason: Vec<bool> = comments.lines().map(|line| line.contains("// OK:")).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let start = statement_start(&lines, index);
        let broken = [
            (parses(name) && has_index(line))
                .then_some("an index that may panic: use get or the kit's readers"),
            is_silent(&lines[start..=index]).then_some("a conversion that hides its failure: use usize_of"),
        ];
        if broken.iter().any(Option::is_some) && !is_reasoned(&lines, &has_reason, start, index) {
            let broken = broken.into_iter().flatten();
            found.extend(
                broken.map(|why| format!("{name}:{}: {why}, or a comment \"// OK: reason\"", index + 1)),
            );
        }
    }
    found
}

/// Whether a file reads untrusted structures, where no index may panic.
fn parses(name: &str) -> bool {
    ["crates/formats/", "crates/map/"].iter().any(|folder| name.starts_with(folder))
}

/// The text without test modules: they are declared in one line or end the file.
fn product(text: &str) -> String {
    let mut product = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != "#[cfg(test)]" {
            product.push_str(line);
            product.push('\n');
        } else if lines.next().is_some_and(|item| item.ends_with(';')) {
            product.push_str("\n\n");
        } else {
            break;
        }
    }
    product
}

/// The code and the comments of a text, each at its place; literals are blank in both.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (len, is_comment) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            (block_comment(rest), true)
        } else if let Some(len) = quoted(rest) {
            code.push_str(&blank(&rest[..len]));
            comments.push_str(&blank(&rest[..len]));
            rest = &rest[len..];
            continue;
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            (end.unwrap_or(rest.len()), false)
        } else {
            (first.len_utf8(), false)
        };
        let (token, blank) = (&rest[..len], blank(&rest[..len]));
        code.push_str(if is_comment { &blank } else { token });
        comments.push_str(if is_comment { token } else { &blank });
        rest = &rest[len..];
    }
    (code, comments)
}

fn blank(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect()
}

/// A bracket after a value. `#[`, `vec![`, `[u8; 4]` and patterns have something else in front.
fn has_index(line: &str) -> bool {
    line.match_indices('[').any(|(at, _)| {
        let (value, index) = (&line[..at], &line[at..]);
        let is_index =
            value.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | ')' | ']' | '?'));
        is_index && !index.starts_with("[..]") && !is_constant(value, index)
    })
}

/// An element of a constant array by its number, which the compiler checks.
fn is_constant(value: &str, index: &str) -> bool {
    let start = value.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_').map_or(0, |at| at + 1);
    let is_upper = value[start..].chars().all(|letter| !letter.is_lowercase());
    let number = index[1..].split(']').next().unwrap_or_default();
    is_upper && !value[start..].is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
}

/// Whether the last line of a statement replaces the value of a failed conversion.
fn is_silent(statement: &[&str]) -> bool {
    let is_replaced = statement.last().is_some_and(|line| line.contains(".unwrap_or"));
    is_replaced && statement.iter().any(|line| line.contains("try_from(") || line.contains("try_into()"))
}

/// The first line of the statement that the line belongs to.
fn statement_start(lines: &[&str], index: usize) -> usize {
    let mut start = index;
    while start > 0 {
        let before = lines[start - 1].trim_end();
        if before.is_empty() || before.ends_with([';', '{', '}', ',']) {
            break;
        }
        start -= 1;
    }
    start
}

/// A reason in the statement, or in the comment in front of it.
fn is_reasoned(lines: &[&str], has_reason: &[bool], start: usize, index: usize) -> bool {
    let is_comment = |line: &usize| lines[*line].trim().is_empty();
    let comment = (0..start).rev().take_while(|line| is_comment(line) && !is_blank_line(lines, *line));
    (start..=index).chain(comment).any(|line| has_reason.get(line).copied().unwrap_or(false))
}

/// A line without code and, as its length shows, without a comment.
fn is_blank_line(lines: &[&str], line: usize) -> bool {
    lines[line].is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "crates/formats/raw/src/a.rs";

    fn lines(name: &str, text: &str) -> Vec<String> {
        check(name, text).iter().map(|line| line.split(':').nth(1).unwrap_or_default().into()).collect()
    }

    #[test]
    fn an_index_in_a_parser_needs_a_reason() {
        for code in ["bytes[0]", "&bytes[..4]", "f(x)[1]", "grid[1][2]", "file.slice(0, 4)?[2]"] {
            let text = format!("fn f() {{\n    let a = {code};\n}}\n");
            assert_eq!(lines(FORMAT, &text), ["2"], "{code}");
            assert!(lines("crates/engine/src/a.rs", &text).is_empty(), "{code}");
            let reasoned = format!("fn f() {{\n    let a = {code}; // OK: checked\n}}\n");
            assert!(lines(FORMAT, &reasoned).is_empty(), "{code}");
        }
    }

    #[test]
    fn a_reason_is_before_the_statement() {
        let reasoned = "// OK: checked above,\n// for both.\nlet a = f(\n    bytes[0]);\n";
        assert!(lines(FORMAT, reasoned).is_empty());
        assert_eq!(lines(FORMAT, "// OK: checked\nlet a = 1;\nlet b = bytes[0];\n"), ["3"]);
        assert_eq!(lines(FORMAT, "// OK: checked\n\nlet b = bytes[0];\n"), ["3"]);
        assert_eq!(lines(FORMAT, "// Checked.\nlet b = bytes[0];\n"), ["2"]);
    }

    #[test]
    fn types_patterns_macros_literals_and_tests_have_no_index() {
        let text = "#[inline]\nconst C: u8 = TABLE[1] + &a[..];\nfn f(a: &[u8], [b]: [u8; 1]) -> &'static [u8] {\n    let c = vec![\"a[0]\"]; // a[0]\n}\n\
                    #[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n    fn g() { a[0]; }\n}\n";
        assert!(lines(FORMAT, text).is_empty());
        assert_eq!(lines(FORMAT, "#[cfg(test)]\nmod tests;\nfn f() { a[0]; }\n"), ["3"]);
    }

    #[test]
    fn a_conversion_that_hides_its_failure_needs_a_reason() {
        for code in [
            "u32::try_from(a).unwrap_or(0)",
            "u32::try_from(a)\n    .unwrap_or_default()",
            "a.try_into().unwrap_or(1)",
        ] {
            let text = format!("let a = {code};\n");
            assert_eq!(lines("crates/cli/src/a.rs", &text).len(), 1, "{code}");
            assert!(
                lines("crates/cli/src/a.rs", &format!("// OK: it saturates.\n{text}")).is_empty(),
                "{code}"
            );
        }
        assert!(
            lines("crates/cli/src/a.rs", "let a = b.unwrap_or(0);\nlet c = u8::try_from(d)?;\n").is_empty()
        );
    }
}

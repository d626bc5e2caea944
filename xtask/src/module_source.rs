//! What one source file declares, defines and names, as far as its tokens show.
//!
//! No parser: macros are not expanded, and the modules that `#[cfg(test)]` guards are skipped.

use std::collections::BTreeSet;

/// One source file.
#[derive(Debug, Default)]
pub(crate) struct ModuleSource {
    /// Modules declared by `mod name;`.
    pub(crate) children: Vec<String>,
    /// Items defined at the top level of the file.
    pub(crate) defines: BTreeSet<String>,
    /// Leaves of all `use` declarations.
    pub(crate) imports: Vec<Import>,
    /// Paths of two or more segments outside of `use` declarations.
    pub(crate) paths: Vec<Vec<String>>,
}

/// One leaf of a `use` declaration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Its path; the last segment is `*` for a glob.
    pub(crate) path: Vec<String>,
    /// The name that it brings into the file.
    pub(crate) name: String,
}

const ITEMS: &[&str] = &["struct", "enum", "fn", "trait", "type", "const", "static", "union", "macro_rules"];

/// Reads the text of one file.
pub(crate) fn scan(text: &str) -> ModuleSource {
    let tokens = without_tests(&tokens(text));
    let mut source = ModuleSource::default();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            "use" => {
                at = use_tree(&tokens, at + 1, &[], &mut source.imports);
                continue;
            }
            "mod" if tokens.get(at + 2).is_some_and(|next| next == ";") => {
                source.children.push(tokens[at + 1].clone());
            }
            word if depth == 0 && ITEMS.contains(&word) => {
                let name = tokens[at + 1..].iter().take(2).find(|token| is_name(token));
                source.defines.extend(name.filter(|name| !ITEMS.contains(&name.as_str())).cloned());
            }
            word if is_name(word) => {
                let path = path_at(&tokens, at);
                at += 2 * path.len() - 1;
                if path.len() > 1 {
                    source.paths.push(path);
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    source
}

/// The path that begins at a name: at least that name.
fn path_at(tokens: &[String], start: usize) -> Vec<String> {
    let mut path = vec![tokens[start].clone()];
    let mut at = start + 1;
    while tokens.get(at).is_some_and(|token| token == "::")
        && tokens.get(at + 1).is_some_and(|token| is_name(token))
    {
        path.push(tokens[at + 1].clone());
        at += 2;
    }
    path
}

/// Reads one tree of a `use` declaration; returns the index after it.
fn use_tree(tokens: &[String], start: usize, prefix: &[String], found: &mut Vec<Import>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.as_str() {
            "::" => continue,
            "{" => {
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = use_tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            "as" => {
                let name = tokens.get(at).cloned().unwrap_or_default();
                found.push(Import { path, name });
                return at + 1;
            }
            "self" if path.len() == prefix.len() && !prefix.is_empty() => {}
            name if name == "*" || is_name(name) => path.push(token.clone()),
            _ => {
                at -= 1;
                break;
            }
        }
        let is_renamed = tokens.get(at).is_some_and(|token| token == "as" || token == "::");
        if !is_renamed {
            break;
        }
    }
    if let Some(name) = path.last().cloned() {
        found.push(Import { path, name });
    }
    at
}

/// Leaves out every item below `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const GUARD: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(GUARD.len()).eq(GUARD) {
            at = after_item(tokens, at + GUARD.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The index after the item that begins here: its `;` or its closing brace.
fn after_item(tokens: &[String], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, numbers, `::` and single characters; no comments and no literals in quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(len) = quoted(rest) {
            len
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let is_token = !(first.is_whitespace() || rest.starts_with("//") || rest.starts_with("/*"));
        if is_token && quoted(rest).is_none() {
            found.push(rest[..len].into());
        }
        rest = &rest[len..];
    }
    found
}

/// Length of the block comment that begins here; comments nest.
pub(crate) fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let step = match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                2
            }
            Some(b"*/") => {
                depth = depth.saturating_sub(1);
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// Length of the string, byte string or character that begins here.
pub(crate) fn quoted(text: &str) -> Option<usize> {
    if text.starts_with('\'') {
        return character(text);
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            rest[hashes..].starts_with('"') && (hashes == 0 || prefix.ends_with('r'))
        })
    });
    let Some(prefix) = prefix else {
        return text
            .strip_prefix('b')
            .filter(|rest| rest.starts_with('\''))
            .and_then(character)
            .map(|len| len + 1);
    };
    let hashes = text[prefix.len()..].bytes().take_while(|&byte| byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text[start..].find(&end).map_or(text.len(), |len| start + len + end.len()));
    }
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Length of a character literal; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    let (_, first) = letters.next()?;
    if first == '\\' {
        letters.next()?;
        return letters.find(|&(_, letter)| letter == '\'').map(|(at, _)| at + 1);
    }
    letters.next().filter(|&(_, letter)| letter == '\'').map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<(String, String)> {
        scan(text).imports.into_iter().map(|import| (import.path.join("::"), import.name)).collect()
    }

    #[test]
    fn use_trees_are_flattened() {
        assert_eq!(
            imports("pub use crate::a::{self, B as C, d::{E, *}, F,}; use super::g as _; use h;"),
            [
                ("crate::a", "a"),
                ("crate::a::B", "C"),
                ("crate::a::d::E", "E"),
                ("crate::a::d::*", "*"),
                ("crate::a::F", "F"),
                ("super::g", "_"),
                ("h", "h"),
            ]
            .map(|(path, name)| (path.to_string(), name.to_string()))
        );
    }

    #[test]
    fn modules_items_and_paths_are_listed() {
        let source = scan(
            "mod a; pub(crate) mod b; pub struct C; const D: u8 = 1; pub const fn e<'a>() { a::f::<u8>(crate::G::new) }
             macro_rules! h { () => {} } impl C { fn i() {} }",
        );
        assert_eq!(source.children, ["a", "b"]);
        assert_eq!(source.defines.iter().collect::<Vec<_>>(), ["C", "D", "e", "h"]);
        assert_eq!(source.paths, [vec!["a", "f"], vec!["crate", "G", "new"]]);
    }

    #[test]
    fn tests_comments_and_literals_are_skipped() {
        let source = scan(
            r##"#[cfg(test)] mod tests; // crate::a::b
            /* crate::a /* nested */ ::b */
            fn c() { let _ = ("crate::a::\"b", r#"crate::"a"::b"#, b'\'', '"', "crate::a::b"); }
            #[cfg(test)] mod more { use crate::d; fn e() { crate::f::g() } }
            #[cfg(test)] use crate::h;"##,
        );
        assert_eq!((source.children.len(), source.imports.len(), source.paths.len()), (0, 0, 0));
        assert_eq!(source.defines.iter().collect::<Vec<_>>(), ["c"]);
    }
}

//! Parsing of configuration files, and the positions of errors.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A profile or a configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {message}")]
pub struct InputError {
    /// The name of the text: a file, or a built-in profile.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The error.
    pub message: String,
}

/// Parses TOML into a type that rejects unknown keys.
pub(crate) fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, InputError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        InputError { name: name.into(), line, column, message: error.message().into() }
    })
}

/// Line and column of a byte, both from 1, the column in characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Line and column, both from 1, of the text `value` under `key` of a section: the value itself, or an item of a list.
pub fn place_of(text: &str, section: &str, key: &str, value: &str) -> Option<(usize, usize)> {
    let document = DeTable::parse(text).ok()?;
    let section = document.get_ref().get(section)?.get_ref().as_table()?;
    let found = section.get(key)?;
    let is_it = |item: &&Spanned<DeValue<'_>>| item.get_ref().as_str() == Some(value);
    let items = found.get_ref().as_array().into_iter().flat_map(|list| list.iter());
    let item = std::iter::once(found).chain(items).find(is_it)?;
    Some(line_and_column(text, item.span().start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_their_section() {
        let text = "profile = 'a'\n[check]\nprofile =   'a'\ndeny = [\n  'ü', 'x',\n  'a',\n]\n";
        assert_eq!(place_of(text, "check", "profile", "a"), Some((3, 13)));
        assert_eq!(place_of(text, "check", "deny", "x"), Some((5, 8)));
        assert_eq!(place_of(text, "check", "deny", "a"), Some((6, 3)));
        assert_eq!(place_of(text, "check", "deny", "b"), None);
        assert_eq!(place_of(text, "check", "warn", "a"), None);
        assert_eq!(place_of("[check", "check", "deny", "a"), None);
    }
}

//! The options of a target, as given by the user.

use super::error::{TargetError, zlib_level, zstd_level};
use crate::listed::listed;
use crate::size::parse_size;

/// An option of a writable format.
#[derive(Clone, Copy, Debug)]
pub struct TargetOption {
    /// The name, before the `=`.
    pub key: &'static str,
    /// The valid values, as in help texts.
    pub values: &'static str,
    /// The default value.
    pub default: &'static str,
    /// Its effect.
    pub about: &'static str,
}

impl TargetOption {
    /// The level of formats with zlib and zstd.
    pub(crate) const LEVEL: Self = Self {
        key: "level",
        values: "N",
        default: "3 for zstd, 6 for zlib",
        about: "compression level: zstd 1 to 22, zlib 1 to 9",
    };

    /// The level of formats with zlib only.
    pub(crate) const ZLIB_LEVEL: Self =
        Self { key: "level", values: "N", default: "6", about: "compression level of zlib, 1 to 9" };
}

/// The known options that were given, with their values.
pub(crate) struct Settings<'a>(Vec<(&'static TargetOption, &'a str)>);

/// Compression with a method that the user selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Zlib,
    Zstd,
}

impl<'a> Settings<'a> {
    /// Reads options of the form `KEY=VALUE`. Unknown and repeated ones are errors.
    pub(crate) fn new(
        name: &str,
        known: &'static [TargetOption],
        given: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, TargetError> {
        let mut settings = Self(Vec::new());
        for option in given {
            let wrong = |what: String| TargetError::Option { option: option.into(), what };
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let known_option = known.iter().find(|known| known.key == key);
            let known_option = known_option.ok_or_else(|| wrong(usage(name, known)))?;
            if settings.get(key).is_some() {
                return Err(wrong("duplicate option".into()));
            }
            settings.0.push((known_option, value));
        }
        Ok(settings)
    }

    fn get(&self, key: &str) -> Option<(&'static TargetOption, &'a str)> {
        self.0.iter().copied().find(|(option, _)| option.key == key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The value of an option as `parse` reads it; an error says `what` it must be.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, TargetError> {
        let Some((_, value)) = self.get(key) else { return Ok(None) };
        let wrong = || TargetError::Option { option: format!("{key}={value}"), what: what.into() };
        parse(value).map(Some).ok_or_else(wrong)
    }

    /// One of the values in the table.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, TargetError> {
        let what = self.get(key).map(|(option, _)| format!("expected {}={}", option.key, option.values));
        let named = |value: &str| choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice);
        self.parsed(key, &what.unwrap_or_default(), named)
    }

    pub(crate) fn switch(&self, key: &str) -> Result<Option<bool>, TargetError> {
        self.choice(key, &[("on", true), ("true", true), ("off", false), ("false", false)])
    }

    /// A size in bytes, such as `64K`.
    pub(crate) fn size<T>(
        &self,
        key: &str,
        what: &str,
        valid: impl FnOnce(u64) -> Option<T>,
    ) -> Result<Option<T>, TargetError> {
        self.parsed(key, what, |value| parse_size(value).ok().and_then(valid))
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<u32>, TargetError> {
        self.parsed(key, "expected a whole number", |value| value.parse().ok())
    }

    pub(crate) fn method(&self) -> Result<Option<Method>, TargetError> {
        self.choice("compression_type", &[("zlib", Method::Zlib), ("zstd", Method::Zstd)])
    }

    /// The level of zlib, 1 to 9; 6 by default.
    pub(crate) fn zlib_level(&self) -> Result<u32, TargetError> {
        zlib_level(self.number("level")?.unwrap_or(6))
    }

    /// The level of zstd, 1 to 22; 3 by default.
    pub(crate) fn zstd_level(&self) -> Result<i32, TargetError> {
        zstd_level(self.number("level")?.unwrap_or(3))
    }
}

/// A summary of a format's options: `zvhd2 has level=N and checksum=on|off`.
pub(crate) fn usage(name: &str, options: &[TargetOption]) -> String {
    if options.is_empty() {
        return format!("{name} has no options");
    }
    let options: Vec<_> = options.iter().map(|option| format!("{}={}", option.key, option.values)).collect();
    format!("{name} has {}", listed(&options, "and"))
}

//! Codes as values: their meaning and their rule.

use core::fmt;

use crate::Class;

/// A code of an error or a finding.
///
/// Every crate that has codes declares them in its `codes.rs` with [`code_table!`](crate::code_table): errors and findings carry
/// a reference to their row. `Display` and `Debug` print the id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Code {
    /// Stable, dotted, lower case: `qcow2.l2.past-end`.
    pub id: &'static str,
    /// The class of the error. `None`: the code is used by findings only.
    pub class: Option<Class>,
    /// The meaning, one line.
    pub meaning: &'static str,
    /// Id of the rule that a check reports. `None`: the check could not be done (I/O error, contradicting options).
    pub rule: Option<&'static str>,
    /// Id of the rule of a finding with this code, where it differs from the rule of the error.
    pub finding_rule: Option<&'static str>,
}

impl Code {
    /// A code of [`Class::Corrupt`].
    pub const fn corrupt(id: &'static str, rule: &'static str, meaning: &'static str) -> Self {
        Self::of(id, Some(Class::Corrupt), Some(rule), meaning)
    }

    /// A code of [`Class::Unsupported`].
    pub const fn unsupported(id: &'static str, rule: &'static str, meaning: &'static str) -> Self {
        Self::of(id, Some(Class::Unsupported), Some(rule), meaning)
    }

    /// A code of [`Class::Limit`].
    pub const fn limit(id: &'static str, rule: &'static str, meaning: &'static str) -> Self {
        Self::of(id, Some(Class::Limit), Some(rule), meaning)
    }

    /// A code of [`Class::Io`], without a rule.
    pub const fn io(id: &'static str, meaning: &'static str) -> Self {
        Self::of(id, Some(Class::Io), None, meaning)
    }

    /// A code of [`Class::Refused`], without a rule.
    pub const fn refused(id: &'static str, meaning: &'static str) -> Self {
        Self::of(id, Some(Class::Refused), None, meaning)
    }

    /// A code that only findings use.
    pub const fn finding(id: &'static str, rule: &'static str, meaning: &'static str) -> Self {
        Self::of(id, None, Some(rule), meaning)
    }

    /// A code without class and rule: an invalid request.
    pub const fn request(id: &'static str, meaning: &'static str) -> Self {
        Self::of(id, None, None, meaning)
    }

    /// The same code with this rule.
    #[must_use]
    pub const fn under(self, rule: &'static str) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// The same code, of requests that no check makes.
    #[must_use]
    pub const fn without_rule(self) -> Self {
        Self { rule: None, ..self }
    }

    /// The same code, with another rule for findings.
    #[must_use]
    pub const fn finding_under(self, rule: &'static str) -> Self {
        Self { finding_rule: Some(rule), ..self }
    }

    /// The format or area: the first word of the id.
    pub fn area(&self) -> &'static str {
        self.id.split('.').next().unwrap_or_default()
    }

    const fn of(
        id: &'static str,
        class: Option<Class>,
        rule: Option<&'static str>,
        meaning: &'static str,
    ) -> Self {
        Self { id, class, meaning, rule, finding_rule: None }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.id, f)
    }
}

/// Declares the codes of a crate: a constant for each, and `CODES`, the table of all of them.
#[macro_export]
macro_rules! code_table {
    ($($name:ident = $kind:ident($id:literal $(, $text:literal)*)$(.$more:ident($($value:literal)?))*;)*) => {
        $(
            #[doc = concat!("`", $id, "`")]
            pub const $name: &$crate::Code = &$crate::Code::$kind($id $(, $text)*)$(.$more($($value)?))*;
        )*

        /// All codes of this crate.
        pub const CODES: &[&$crate::Code] = &[$($name),*];
    };
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    // The constants are not public here.
    #[allow(unreachable_pub)]
    mod table {
        code_table! {
        LATE = corrupt("a.late", "structure/cut", "the file ends early");
        EARLY = request("a.early", "the request came early");
        }
    }
    use table::{CODES, EARLY, LATE};

    #[test]
    fn the_table_contains_every_code_and_each_prints_its_id() {
        assert_eq!(CODES, [LATE, EARLY]);
        assert_eq!(format!("{LATE} {EARLY:?} {LATE:>8}"), "a.late \"a.early\"   a.late");
    }

    #[test]
    fn codes_are_compared_by_value() {
        assert!(EARLY != LATE && *LATE == Code::corrupt("a.late", "structure/cut", "the file ends early"));
    }
}

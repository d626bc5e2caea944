//! Codes as values: their meaning and their rule.

use crate::Class;

/// A code of an error or a finding. Every crate that has codes lists them in a table, `CODES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

//! Severities of rules as configured by the user: deny, warn, allow.

use imgprep_map::Severity;

use crate::{RULES, Violation};

/// The configured level of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An error.
    Deny,
    /// A warning.
    Warn,
    /// Not reported.
    Allow,
}

/// Rules with a configured level; later entries take precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    set: Vec<(String, Level)>,
    /// Warnings fail the check.
    pub deny_warnings: bool,
}

/// An unknown rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown rule {id:?}{}", .close.as_ref().map_or(String::new(), |close| format!(": did you mean {close}?")))]
pub struct LevelsError {
    /// The given name.
    pub id: String,
    /// A rule with a similar name.
    pub close: Option<&'static str>,
}

impl Levels {
    /// Sets the level of a rule, of a group (`structure/*`), or (to deny only) of `warnings`.
    pub fn set(&mut self, id: &str, level: Level) -> Result<(), LevelsError> {
        if id == "warnings" {
            self.deny_warnings = level == Level::Deny;
            return Ok(());
        }
        if !RULES.iter().any(|rule| covers(id, rule.id.name())) {
            let last = id.rsplit('/').next().unwrap_or(id);
            let close = RULES.iter().find(|rule| !last.is_empty() && rule.id.name().contains(last));
            return Err(LevelsError { id: id.into(), close: close.map(|rule| rule.id.name()) });
        }
        self.set.push((id.into(), level));
        Ok(())
    }

    /// The violation with the configured severity, or nothing.
    pub fn apply(&self, violation: Violation) -> Option<Violation> {
        let level = self.set.iter().rev().find(|(id, _)| covers(id, violation.rule.id.name()));
        match level.map(|(_, level)| *level) {
            None => Some(violation),
            Some(Level::Allow) => None,
            Some(Level::Warn) => Some(violation.with_severity(Severity::Warning)),
            Some(Level::Deny) => Some(violation.with_severity(Severity::Error)),
        }
    }
}

fn covers(id: &str, rule: &str) -> bool {
    id == rule || id.strip_suffix('*').is_some_and(|group| group.ends_with('/') && rule.starts_with(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;

    #[test]
    fn the_last_level_of_a_rule_applies() {
        let mut levels = Levels::default();
        levels.set("structure/*", Level::Deny).unwrap();
        levels.set("structure/leak", Level::Allow).unwrap();
        levels.set("warnings", Level::Deny).unwrap();
        let of =
            |id| levels.apply(Violation::new(rule(id).unwrap(), "x")).map(|violation| violation.severity);
        assert_eq!(of("structure/leak"), None);
        assert_eq!(of("structure/dirty"), Some(Severity::Error));
        assert_eq!(of("size/whole-gib"), Some(Severity::Note));
        assert!(levels.deny_warnings);
    }

    #[test]
    fn warnings_are_denied_by_deny_only() {
        for (level, want) in [(Level::Deny, true), (Level::Warn, false), (Level::Allow, false)] {
            let mut levels = Levels { deny_warnings: true, ..Levels::default() };
            levels.set("warnings", level).unwrap();
            assert_eq!(levels.deny_warnings, want, "{level:?} after a denial");
            let mut levels = Levels::default();
            levels.set("warnings", level).unwrap();
            assert_eq!(levels.deny_warnings, want, "{level:?}");
        }
    }

    #[test]
    fn an_unknown_rule_is_reported_with_a_suggestion() {
        let error = Levels::default().set("import/leak", Level::Deny).unwrap_err();
        assert_eq!(error.to_string(), "unknown rule \"import/leak\": did you mean structure/leak?");
    }
}

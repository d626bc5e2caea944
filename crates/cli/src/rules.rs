//! `imgprep check --rules` and `--explain`.

use std::io::{self, Write};

use imgprep::policy::{Level, Levels, RULES, Rule, rule};
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::render::print::{say, severity};

/// Prints all rules, one per line.
pub(crate) fn list(is_json: bool) -> Result<(), Failure> {
    if is_json {
        return write(
            &json!({ "schema": "imgprep/rules/1", "rules": RULES.iter().map(object).collect::<Vec<_>>() }),
        );
    }
    let mut out = io::stdout().lock();
    for rule in RULES {
        say(&mut out, format_args!("{:<24} {:<8} {}", rule.id, severity(rule.severity), rule.requirement))?;
    }
    Ok(())
}

/// Prints one rule with its reason, source and remedy.
pub(crate) fn explain(id: &str, is_json: bool) -> Result<(), Failure> {
    let Some(rule) = rule(id) else {
        let error = Levels::default().set(id, Level::Deny);
        let message =
            error.err().map_or_else(|| format!("{id:?} is a group, not a rule"), |error| error.to_string());
        return Err(Failure::Usage(message));
    };
    if is_json {
        return write(&json!({ "schema": "imgprep/rules/1", "rules": [object(rule)] }));
    }
    let mut out = io::stdout().lock();
    say(&mut out, format_args!("{} ({})", rule.id, severity(rule.severity)))?;
    for (label, text) in [("what", rule.requirement), ("why", rule.why), ("source", source(rule))] {
        if !text.is_empty() {
            say(&mut out, format_args!("{:<8} {text}", format!("{label}:")))?;
        }
    }
    for (index, remedy) in rule.remedies.iter().enumerate() {
        say(&mut out, format_args!("{:<8} {remedy}", if index == 0 { "remedy:" } else { "   else:" }))?;
    }
    Ok(())
}

fn object(rule: &Rule) -> Json {
    json!({
        "id": rule.id, "severity": severity(rule.severity), "says": rule.requirement, "why": rule.why,
        "source": source(rule), "remedies": rule.remedies.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn source(rule: &Rule) -> &str {
    if rule.source.is_empty() { "the profile's document" } else { rule.source }
}

fn write(object: &Json) -> Result<(), Failure> {
    Ok(io::stdout().write_all(crate::render::json::text(object).as_bytes())?)
}

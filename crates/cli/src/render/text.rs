//! Results of a check as text.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use imgprep::policy::{Levels, RouteVerdict, Verdict, Violation};
use imgprep::{CheckedFile, Outcome, Severity};

use super::findings::{counts, left_out};
use super::hint;
use super::print::{say, severity};

/// Maximum number of violations per rule and severity in text output.
///
/// The JSON output contains more.
const SHOWN: u64 = 10;

/// Prints the verdict, the findings and the routes of one file.
pub(crate) fn file(out: &mut dyn Write, file: &CheckedFile, levels: &Levels) -> io::Result<()> {
    let format = file.format.as_deref().unwrap_or("unknown format");
    say(out, format_args!("{}: {format}, {}", file.name, verdict(file, levels)))?;
    let mut seen: BTreeMap<(&str, Severity), u64> = BTreeMap::new();
    let mut advice = HashSet::new();
    for violation in &file.violations {
        let count = seen.entry((violation.rule.id.name(), violation.severity)).or_default();
        *count += 1;
        if *count <= SHOWN {
            judged(out, violation)?;
            // The same advice is printed once.
            if advice.insert((violation.rule.id.name(), &violation.source, &violation.remedy)) {
                advised(out, violation)?;
            }
        }
    }
    for left_out in left_out(file) {
        *seen.entry((left_out.rule, left_out.severity)).or_default() += left_out.count;
    }
    for ((rule, severity_of), count) in seen.into_iter().filter(|(_, count)| *count > SHOWN) {
        say(out, format_args!("  {}: and {} more [{rule}]", severity(severity_of), count - SHOWN))?;
    }
    if let Some(error) = &file.error {
        say(out, format_args!("  not checked: {error}"))?;
        if let Some(hint) = error.hint() {
            say(out, format_args!("    hint: {}", hint::text(hint)))?;
        }
    }
    for route in &file.routes {
        say(out, format_args!("  {}: {}", route.title, way(route)))?;
    }
    for export in &file.exports {
        say(out, format_args!("  for {}: {}", export.title, export.command))?;
    }
    Ok(())
}

fn judged(out: &mut dyn Write, violation: &Violation) -> io::Result<()> {
    let place = &violation.place;
    let route = violation.route.as_ref().map_or(String::new(), |route| format!(", {route}"));
    let code = place.code.map_or(String::new(), |code| format!(", {code}"));
    let at = place.at.map_or(String::new(), |at| format!(", file offset {at}"));
    let file = place.file.as_ref().map_or(String::new(), |file| format!(", in {file}"));
    let disk = place
        .disk
        .as_ref()
        .map_or(String::new(), |disk| format!(", disk bytes {}..{}", disk.start, disk.end));
    let bound = violation.bound.as_ref().map_or(String::new(), |bound| format!("; {bound}"));
    let (word, id) = (severity(violation.severity), violation.rule.id);
    say(out, format_args!("  {word}: {}{bound} [{id}{route}{code}{file}{at}{disk}]", violation.fact))
}

/// Prints the source of the rule, and what to do.
fn advised(out: &mut dyn Write, violation: &Violation) -> io::Result<()> {
    if violation.severity >= Severity::Warning {
        if let Some(source) = violation.source.as_ref().filter(|source| *source != "this program") {
            say(out, format_args!("    source: {source}"))?;
        }
        if let Some(remedy) = &violation.remedy {
            say(out, format_args!("    remedy: {remedy}"))?;
        }
        if let Some(hint) = hint::beside(violation.hint, violation.remedy.as_ref()) {
            say(out, format_args!("    hint: {hint}"))?;
        }
    }
    Ok(())
}

fn way(route: &RouteVerdict) -> String {
    match &route.verdict {
        Verdict::Ready => "ready".into(),
        Verdict::After { command, condition: None } => format!("after: {command}"),
        Verdict::After { command, condition: Some(condition) } => format!("after, {condition}: {command}"),
        Verdict::Never { reason } => format!("no: {reason}"),
    }
}

fn verdict(file: &CheckedFile, levels: &Levels) -> String {
    let words = |count: u64, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let [errors, warnings, notes] = counts(file);
    let parts: Vec<_> = [words(errors, "error"), words(warnings, "warning"), words(notes, "note")]
        .into_iter()
        .flatten()
        .collect();
    match (file.outcome(levels), parts.is_empty()) {
        (Outcome::Undone, true) => "not checked".into(),
        (_, true) => "fine".into(),
        (Outcome::Fine, false) => format!("fine ({})", parts.join(", ")),
        (_, false) => parts.join(", "),
    }
}

/// Prints one line about all files if there are several.
pub(crate) fn summary(out: &mut dyn Write, files: &[CheckedFile], levels: &Levels) -> io::Result<()> {
    if files.len() < 2 {
        return Ok(());
    }
    let count = |outcome| files.iter().filter(|file| file.outcome(levels) == outcome).count();
    writeln!(
        out,
        "{} files: {} fine, {} with leaks or denied warnings, {} with errors, {} not checked",
        files.len(),
        count(Outcome::Fine),
        count(Outcome::Warnings),
        count(Outcome::Violations),
        count(Outcome::Undone)
    )
}

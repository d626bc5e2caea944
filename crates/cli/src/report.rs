//! What a check found, for people, for programs, and as annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use imgprep::policy::{Levels, RouteVerdict, Verdict, Violation};
use imgprep::{CheckedFile, Outcome, Severity, printable};
use serde_json::{Map, Value as Json, json};

use crate::args::CheckOutput;
use crate::json::error_json;
use crate::print::{say, severity, without_commands};

/// Prints what can be printed while other files are still being checked.
pub(crate) struct Printer {
    output: CheckOutput,
}

impl Printer {
    pub(crate) fn new(output: CheckOutput) -> Self {
        Self { output }
    }

    pub(crate) fn file(&mut self, file: &CheckedFile, levels: &Levels) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.output {
            CheckOutput::Text => text(&mut out, file, levels),
            CheckOutput::Github => github(&mut out, file),
            CheckOutput::Json | CheckOutput::Junit | CheckOutput::Sarif => Ok(()),
        }
    }
}

/// Violations of one rule and severity that text output prints; the JSON output has more.
const SHOWN: u64 = 10;

fn text(out: &mut dyn Write, file: &CheckedFile, levels: &Levels) -> io::Result<()> {
    let format = file.format.as_deref().unwrap_or("unknown format");
    say(out, format_args!("{}: {format}, {}", file.name, verdict(file, levels)))?;
    let mut seen: BTreeMap<(&str, Severity), u64> = BTreeMap::new();
    let mut advice = BTreeSet::new();
    for violation in &file.violations {
        let count = seen.entry((violation.rule.id.name(), violation.severity)).or_default();
        *count += 1;
        if *count <= SHOWN {
            judged(out, violation)?;
            // A message that was printed already is not repeated.
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
    }
    for route in &file.routes {
        say(out, format_args!("  {}: {}", route.title, way(route)))?;
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

/// Whose rule it is, and what to do.
fn advised(out: &mut dyn Write, violation: &Violation) -> io::Result<()> {
    if violation.severity >= Severity::Warning {
        if let Some(source) = violation.source.as_ref().filter(|source| *source != "this program") {
            say(out, format_args!("    source: {source}"))?;
        }
        if let Some(remedy) = &violation.remedy {
            say(out, format_args!("    remedy: {remedy}"))?;
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

fn counts(file: &CheckedFile) -> [u64; 3] {
    [Severity::Error, Severity::Warning, Severity::Note].map(|wanted| {
        let kept = file.violations.iter().filter(|violation| violation.severity == wanted).count() as u64;
        kept + left_out(file).filter(|more| more.severity == wanted).map(|more| more.count).sum::<u64>()
    })
}

/// Findings of one rule that were counted and not kept.
pub(crate) struct LeftOut<'f> {
    pub(crate) rule: &'f str,
    pub(crate) severity: Severity,
    pub(crate) count: u64,
}

impl LeftOut<'_> {
    /// One entry in place of all of them.
    pub(crate) fn message(&self) -> String {
        format!("and {} more under this rule", self.count)
    }
}

/// What a file has more, by rule and severity.
pub(crate) fn left_out(file: &CheckedFile) -> impl Iterator<Item = LeftOut<'_>> {
    file.more.iter().map(|((rule, severity), count)| LeftOut {
        rule: rule.name(),
        severity: *severity,
        count: *count,
    })
}

/// The same by rule.
fn more(file: &CheckedFile) -> BTreeMap<&str, u64> {
    let mut more = BTreeMap::new();
    left_out(file).for_each(|left_out| *more.entry(left_out.rule).or_default() += left_out.count);
    more
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

/// One line about all files, where there are several.
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

/// `::error file=NAME,line=1,title=RULE::MESSAGE`.
fn github(out: &mut dyn Write, file: &CheckedFile) -> io::Result<()> {
    // A runner decodes `%0A` into a line break before it prints the message: line breaks are spelled instead.
    let escape = |text: &str| without_commands(&printable(text)).replace('%', "%25");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let name = property(&file.name);
    for violation in &file.violations {
        let name = violation.place.file.as_deref().map_or(name.clone(), property);
        let kind = annotation(violation.severity);
        let message = escape(&message(violation));
        writeln!(out, "::{kind} file={name},line=1,title={}::{message}", property(violation.rule.id.name()))?;
    }
    for more in left_out(file) {
        let (kind, message) = (annotation(more.severity), more.message());
        writeln!(out, "::{kind} file={name},line=1,title={}::{message}", property(more.rule))?;
    }
    if let Some(error) = &file.error {
        writeln!(out, "::error file={name},line=1,title=not checked::{}", escape(&error.to_string()))?;
    }
    Ok(())
}

/// GitHub's word for a severity.
fn annotation(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Fact, bound, place and remedy in one text.
pub(crate) fn message(violation: &Violation) -> String {
    let mut text = violation.fact.clone();
    if let Some(bound) = &violation.bound {
        text.push_str(&format!("; {bound}"));
    }
    match (&violation.place.file, violation.place.at) {
        (Some(file), Some(at)) => text.push_str(&format!(" (file offset {at} of {file})")),
        (Some(file), None) => text.push_str(&format!(" (in {file})")),
        (None, Some(at)) => text.push_str(&format!(" (file offset {at})")),
        (None, None) => {}
    }
    if let Some(remedy) = &violation.remedy {
        text.push_str(&format!(". Remedy: {remedy}"));
    }
    text
}

/// One file is an object as `qemu-img check` has it; several are wrapped.
pub(crate) fn json(out: &mut dyn Write, files: &[CheckedFile], levels: &Levels) -> io::Result<()> {
    let mut object = match files {
        [only] => file_json(only, levels),
        files => {
            let all: Vec<Json> = files.iter().map(|file| file_json(file, levels).into()).collect();
            Map::from_iter([("files".to_string(), Json::Array(all))])
        }
    };
    object.insert("schema".into(), json!("imgprep/check/1"));
    out.write_all(crate::json::text(&Json::Object(object)).as_bytes())
}

fn file_json(file: &CheckedFile, levels: &Levels) -> Map<String, Json> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| object.insert(key.into(), value);
    let checked = &file.counts;
    put("filename", json!(file.name));
    put("format", json!(file.format));
    put("file-length", json!(file.file_len));
    put("virtual-size", json!(file.size));
    put("corruptions", json!(checked.corruptions));
    put("leaks", json!(checked.leaks));
    put("check-errors", json!(checked.check_errors));
    for (key, value) in [
        ("image-end-offset", checked.image_end),
        ("total-clusters", checked.total),
        ("allocated-clusters", checked.allocated),
        ("fragmented-clusters", checked.fragmented),
        ("compressed-clusters", checked.compressed),
    ] {
        if let Some(value) = value {
            put(key, json!(value));
        }
    }
    let [errors, warnings, notes] = counts(file);
    put("outcome", json!(outcome(file.outcome(levels))));
    put("counts", json!({ "errors": errors, "warnings": warnings, "notes": notes }));
    put("judgements", file.violations.iter().map(violation_json).collect());
    put("more", json!(more(file)));
    put("routes", file.routes.iter().map(route_json).collect());
    if let Some(error) = &file.error {
        put("error", error_json(error));
    }
    object
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fine => "fine",
        Outcome::Warnings => "warnings",
        Outcome::Undone => "not-checked",
        Outcome::Violations => "violations",
    }
}

fn violation_json(violation: &Violation) -> Json {
    let place = &violation.place;
    json!({
        "rule": violation.rule.id,
        "severity": severity(violation.severity),
        "fact": violation.fact,
        "bound": violation.bound,
        "source": violation.source,
        "remedy": violation.remedy,
        "route": violation.route,
        "code": place.code,
        "file": place.file,
        "offset": place.at,
        "disk": place.disk.as_ref().map(|disk| json!({ "start": disk.start, "end": disk.end })),
    })
}

fn route_json(route: &RouteVerdict) -> Json {
    let (verdict, command, condition, reason) = match &route.verdict {
        Verdict::Ready => ("ready", None, None, None),
        Verdict::After { command, condition } => ("after", Some(command), condition.as_ref(), None),
        Verdict::Never { reason } => ("never", None, None, Some(reason)),
    };
    json!({
        "id": route.id, "title": route.title, "verdict": verdict, "command": command,
        "condition": condition, "reason": reason, "blocked-by": route.blocked_by,
        "judgements": route.violations.iter().map(violation_json).collect::<Vec<_>>(),
    })
}

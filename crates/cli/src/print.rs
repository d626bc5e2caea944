//! One printer for what people read.

use std::fmt::Display;
use std::io::{self, Write, stderr};

use imgprep::{Finding, Match, Severity};

/// A line on standard error. That nobody can read it changes nothing. In one write: a reader never meets half a line.
pub(crate) fn note(line: impl Display) {
    let _ = stderr().write_all(format!("{line}\n").as_bytes());
}

/// `label: value`, aligned.
pub(crate) fn line(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{:<18}{value}", format!("{label}:"))
}

/// One finding a line: how bad, what, where.
pub(crate) fn finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let place = finding.at.map_or(String::new(), |at| format!(", file offset {at}"));
    writeln!(out, "  {}: {} [{}{place}]", severity(finding.severity), finding.message, finding.code)
}

/// Something that a file's bytes speak for, and the bytes.
pub(crate) fn matched(found: &Match) -> String {
    let (says, at, len) = (&found.evidence.says, found.evidence.at, found.evidence.len);
    format!("{}: {says} ({len} bytes at {at}: {})", found.name, found.hex())
}

pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

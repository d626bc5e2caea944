//! Printing of text for users.
//!
//! Every line of text passes [`say`], which escapes what is not printable in it, including a line break in a
//! file name. JSON is for programs and keeps the exact strings. It passes [`crate::render::json::text`].

use std::fmt::{Arguments, Display};
use std::io::{self, Write, stderr};

use imgprep::{Finding, Match, Severity, printable};

/// Prints one line. Escapes all that is not printable, including line breaks.
pub(crate) fn say(out: &mut dyn Write, text: impl Display) -> io::Result<()> {
    writeln!(out, "{}", one_line(&text.to_string()))
}

/// Text as one line that neither a terminal nor a runner of CI jobs interprets.
///
/// GitHub executes what follows `::` at the start of a line.
fn one_line(text: &str) -> String {
    let text = without_commands(&printable(text));
    match text.trim_start().strip_prefix("::") {
        Some(rest) => format!("{}\\u{{3a}}:{rest}", &text[..text.len() - rest.len() - 2]),
        None => text,
    }
}

/// Text without commands that runners of CI jobs execute anywhere in a line.
///
/// These are `##[...]`, `##vso[...]` and `##teamcity[...]`.
pub(crate) fn without_commands(text: &str) -> String {
    if text.contains('[') { text.replace("##", "#\\u{23}") } else { text.into() }
}

/// Prints one line on standard error.
///
/// One write, so that a reader never receives part of a line. Errors are ignored, because there is nowhere to
/// report them.
pub(crate) fn warn(text: Arguments<'_>) {
    let _ = stderr().write_all(format!("{}\n", one_line(&text.to_string())).as_bytes());
}

/// Prints the result of a command whose exit code reports the same.
///
/// A reader that closed the pipe needs no more output. This is an error only for data that a program reads.
pub(crate) fn show(text: &str, is_data: bool) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !is_data => Ok(()),
        shown => shown,
    }
}

/// All lines as one text, each of them escaped.
pub(crate) fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| one_line(line) + "\n").collect()
}

/// Prints `label: value`, aligned. An empty value is shown as `(empty)`.
pub(crate) fn line(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    let value = if value.trim_end().is_empty() { "(empty)" } else { value.trim_end() };
    say(out, format_args!("{:<18}{value}", format!("{label}:")))
}

/// Prints one finding per line: severity, message, place.
pub(crate) fn finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let place = finding.at.map_or(String::new(), |at| format!(", file offset {at}"));
    let severity = severity(finding.severity);
    say(out, format_args!("  {severity}: {} [{}{place}]", finding.message, finding.code))
}

/// A format that matches the contents of a file, and the matching bytes.
pub(crate) fn matched(found: &Match) -> String {
    let (description, at, len) = (&found.evidence.description, found.evidence.at, found.evidence.len);
    format!("{}: {description} ({len} bytes at {at}: {})", found.name, found.hex())
}

pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_names_are_escaped() {
        let mut out = Vec::new();
        line(&mut out, "image", "a\n::error::b\u{1b}[2J\u{202e}").unwrap();
        line(&mut out, "uuid", "").unwrap();
        let want = "image:            a\\n::error::b\\u{1b}[2J\\u{202e}\nuuid:             (empty)\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        for (text, want) in [
            ("::error::x: raw, fine", "\\u{3a}:error::x: raw, fine"),
            (" ::warning::x", " \\u{3a}:warning::x"),
            ("a ##[error]b ##vso[x]", "a #\\u{23}[error]b #\\u{23}vso[x]"),
            ("C:\\a::b ## c", "C:\\a::b ## c"),
        ] {
            assert_eq!(one_line(text), want);
        }
    }
}

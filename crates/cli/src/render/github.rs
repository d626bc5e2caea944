//! Results of a check as annotations of GitHub workflows.

use std::io::{self, Write};

use imgprep::{CheckedFile, Severity, printable};

use super::findings::{left_out, message};
use super::print::without_commands;

/// `::error file=NAME,line=1,title=RULE::MESSAGE`.
pub(crate) fn file(out: &mut dyn Write, file: &CheckedFile) -> io::Result<()> {
    // A runner decodes `%0A` into a line break before it prints the message. So line breaks are escaped
    // differently.
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

/// GitHub's name of a severity.
fn annotation(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

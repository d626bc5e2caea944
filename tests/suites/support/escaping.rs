//! What must not reach a terminal, a log or a workflow runner, by a list that is not the program's own.

use std::path::Path;
use std::process::Output;

/// Hostile names of files, and what each would do if it were printed unescaped.
pub(crate) const HOSTILE: [&str; 7] = [
    // Lines that the program never wrote.
    "ok.qcow2: qcow2, fine\n::error title=forged::a line\r\nz.qcow2",
    // The title of the window, a cleared screen, a bell; the one-byte form of the same introducer.
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31mscreen.qcow2",
    // Reversed and isolated text.
    "\u{202e}2wocq\u{2066}.qcow2",
    // Separators of lines and paragraphs, nothing at all, a soft hyphen, a byte order mark, a tag.
    "a\u{2028}b\u{2029}c\u{200b}d\u{ad}e\u{feff}f\u{e0041}.qcow2",
    // What runners of CI jobs act on, at the start of a line and anywhere.
    "::error title=forged::begins.qcow2",
    "a ##[error]b ##vso[task.complete result=Failed]c ##teamcity[x].qcow2",
    // Tab, backspace, delete.
    "t\tb\u{8}d\u{7f}.qcow2",
];

/// Whether a character shows nothing of its own: the categories Cc, Cf, Zl and Zp, by their most frequent members.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// Every byte that was printed is text that shows as itself, and no line is one that a name forged.
#[track_caller]
pub(crate) fn is_clean(bytes: &[u8], about: &str) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{about}: {error}"));
    for line in text.split('\n') {
        let invisible = line.chars().find(|c| is_invisible(*c));
        assert_eq!(invisible, None, "{about}: {line:?}");
        assert!(!line.trim_start().starts_with("::error title=forged"), "{about}: {line:?}");
    }
}

/// The same of all that a command printed.
#[track_caller]
pub(crate) fn printed_clean(output: &Output, about: &str) {
    for bytes in [&output.stdout, &output.stderr] {
        is_clean(bytes, about);
        let text = String::from_utf8_lossy(bytes);
        for command in ["##[", "##vso[", "##teamcity["] {
            assert!(!text.contains(command), "{about}: {text}");
        }
    }
}

/// The same of a file.
#[track_caller]
pub(crate) fn file_is_clean(path: &Path) {
    is_clean(
        &std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        &path.display().to_string(),
    );
}

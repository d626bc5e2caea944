//! Quoting of words for a shell.

use std::ffi::OsStr;

use imgprep_map::is_printable;

/// Quotes `text` for a POSIX shell. A name that begins with a dash
/// is prefixed with `./`, so that no program reads it as an option.
pub fn quote(text: &OsStr) -> String {
    let bytes = text.as_encoded_bytes();
    let dash = if bytes.first() == Some(&b'-') { "./" } else { "" };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./+=:@%,-".contains(byte);
    match text.to_str() {
        Some(plain) if !bytes.is_empty() && bytes.iter().all(is_plain) => format!("{dash}{plain}"),
        Some(printable) if printable.chars().all(is_printable) => {
            format!("'{dash}{}'", printable.replace('\'', r"'\''"))
        }
        // Characters that are not printable and bytes that are no text: $'...' of POSIX 2024, bash, zsh and ksh.
        _ => format!("$'{dash}{}'", bytes.iter().map(|byte| escaped(*byte)).collect::<String>()),
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        // Three octal digits end by themselves, whatever follows.
        _ => format!("\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn shell_words_are_quoted() {
        for (text, word) in [
            ("disk.vmdk", "disk.vmdk"),
            ("my disk.vmdk", "'my disk.vmdk'"),
            ("it's", r"'it'\''s'"),
            ("-rf", "./-rf"),
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
            ("a\nb", "$'a\\012b'"),
            ("a\u{202e}b", "$'a\\342\\200\\256b'"),
        ] {
            assert_eq!(quote(OsStr::new(text)), word);
        }
    }

    #[test]
    fn a_shell_reads_the_word_back() {
        for text in ["a b", "a'b\"c`d`$e!*?[x]{y}~#&|;<>()\\", "- x", "a\tb'\n\u{e9}\u{1}1", "~", "#x"] {
            let script = format!("printf %s {}", quote(OsStr::new(text)));
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            let read = String::from_utf8(output.stdout).unwrap();
            assert_eq!(read.trim_start_matches("./"), text, "{script}");
        }
    }
}

//! What to type next where a file is not read.

use std::ffi::OsStr;

use imgprep_catalog::DetectError;
use imgprep_map::Error;
use imgprep_policy::quote;

/// The command that gets on from a file that is not read, with the file's name in it.
pub fn remedy(error: &Error) -> Option<String> {
    let command = error.detail::<DetectError>()?.command()?;
    let path = error.path().unwrap_or("FILE");
    let words = command.split(' ').map(|word| match word.strip_prefix("FILE") {
        Some(rest) => quote(OsStr::new(&format!("{path}{rest}"))),
        None => word.to_string(),
    });
    Some(words.collect::<Vec<_>>().join(" "))
}

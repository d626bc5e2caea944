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
        Some("") => quote(OsStr::new(path)),
        Some(rest) => quote(OsStr::new(&free(path, rest))),
        None => word.to_string(),
    });
    Some(words.collect::<Vec<_>>().join(" "))
}

/// The name of a file that does not exist yet: the command would write over one that does.
fn free(path: &str, rest: &str) -> String {
    let names = (1..10).map(|number| match number {
        1 => format!("{path}{rest}"),
        _ => format!("{path}-{number}{rest}"),
    });
    let is_free = |name: &String| std::fs::symlink_metadata(name).is_err();
    names.into_iter().find(is_free).unwrap_or_else(|| format!("{path}-10{rest}"))
}

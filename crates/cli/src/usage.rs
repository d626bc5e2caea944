//! Command lines that cannot be parsed.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Error, Parser};
use imgprep::printable;

use crate::command::{Args, Command};
use crate::render::print::{warn, without_commands};

/// The parsed command line, or an exit code.
///
/// The exit code is 0 for help and version, otherwise that of a failure of the command.
pub(crate) fn parse() -> Result<Args, ExitCode> {
    let error = match Args::try_parse() {
        Ok(args) => return Ok(args),
        Err(error) => error,
    };
    if let Some(args) = help_on_options(&error) {
        return Ok(args);
    }
    if !error.use_stderr() {
        // A reader that closed the pipe needs no more output.
        let printed = error.print().and_then(|()| io::stdout().flush());
        let is_lost = printed.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe);
        return Err(ExitCode::from(u8::from(is_lost)));
    }
    report(error);
    Err(ExitCode::from(if names_command_with_result() { 2 } else { 1 }))
}

/// Whether the first argument that is no option is a command with a result code.
fn names_command_with_result() -> bool {
    let mut words = std::env::args_os().skip(1).filter_map(|word| word.into_string().ok());
    words.find(|word| !word.starts_with('-')).is_some_and(|word| Command::has_result_code(&word))
}

/// Parses `convert -O FMT -o help`, which needs no files.
fn help_on_options(error: &Error) -> Option<Args> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let files = ["-", "-"].map(OsString::from);
    let args = Args::try_parse_from(std::env::args_os().chain(files)).ok()?;
    matches!(&args.command, Command::Convert(convert) if convert.asks_for_options()).then_some(args)
}

fn report(error: Error) {
    if let Some(advice) = missing_command(&error) {
        return warn(format_args!("imgprep: {advice}"));
    }
    let mut error = if std::env::args_os().all(|arg| is_printable(&arg)) { error } else { escaped() };
    drop_far_suggestions(&mut error);
    // The message quotes arguments. They are printable, or else `escaped`.
    let _ = error.print();
}

fn is_printable(arg: &OsString) -> bool {
    arg.to_str().is_some_and(|arg| arg.chars().all(imgprep::is_printable) && without_commands(arg) == arg)
}

/// The error of the same command line with every argument escaped.
///
/// Messages quote arguments.
fn escaped() -> Error {
    let args = std::env::args_os().map(|arg| without_commands(&printable(&arg.to_string_lossy())));
    match Args::try_parse_from(args) {
        Err(error) => error,
        Ok(_) => Error::raw(ErrorKind::InvalidValue, "an argument contains unprintable characters\n"),
    }
}

/// Advice for a command that other tools have and this program does not.
fn missing_command(error: &Error) -> Option<String> {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    let is_known =
        ["amend", "bench", "bitmap-merge", "commit", "create", "dd", "rebase", "resize", "snapshot"]
            .contains(&name.as_str());
    is_known.then(|| {
        format!(
            "unknown command '{name}': imgprep does not modify the contents of images; use qemu-img {name}"
        )
    })
}

/// Maximum edit distance between an argument and a suggestion.
const NEAR: usize = 2;

fn drop_far_suggestions(error: &mut Error) {
    for (typed, suggested) in [
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    ] {
        let Some(ContextValue::String(typed)) = error.get(typed).cloned() else { continue };
        let is_near = |name: &String| distance(&typed, name) <= NEAR;
        let kept = match error.remove(suggested) {
            Some(ContextValue::String(name)) if is_near(&name) => ContextValue::String(name),
            Some(ContextValue::Strings(names)) if names.iter().any(is_near) => {
                ContextValue::Strings(names.into_iter().filter(is_near).collect())
            }
            _ => continue,
        };
        error.insert(suggested, kept);
    }
}

/// Number of letters to insert, remove or replace to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, typed) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (left, wanted) in other.iter().enumerate() {
            let replaced = corner + usize::from(typed != *wanted);
            corner = row[left + 1];
            row[left + 1] = replaced.min(corner + 1).min(row[left] + 1);
        }
    }
    // OK: the row has one entry more than the word has letters.
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edit_distance_counts_letters() {
        for (one, other, want) in [
            ("", "", 0),
            ("chek", "check", 1),
            ("convert", "", 7),
            ("compare", "completions", 7),
            ("mpa", "map", 2),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (want, want), "{one} {other}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        for (args, want) in [
            (&["imgprep", "chekc", "a"][..], Some("'check'")),
            (&["imgprep", "complete"], None),
            (&["imgprep", "convert", "a", "b", "--verfy"], Some("'--verify'")),
            (&["imgprep", "convert", "a", "b", "--verification"], None),
            (&["imgprep", "info", "a", "--output", "jsn"], Some("'json'")),
            (&["imgprep", "info", "a", "--output", "juni"], None),
        ] {
            let mut error = Args::try_parse_from(args).err().expect("the command line is wrong");
            drop_far_suggestions(&mut error);
            let text = error.render().to_string();
            let tip = text.lines().find(|line| line.contains("similar"));
            assert_eq!(tip.is_some(), want.is_some(), "{text}");
            assert!(want.is_none_or(|want| text.contains(want)), "{text}");
        }
    }
}

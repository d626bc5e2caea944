//! Checks an image against the profile of an import: `check_profile IMAGE [PROFILE]`.

use std::path::Path;
use std::process::ExitCode;

use imgprep::{CheckedFile, ErrorKind};

/// Checks an image. `None` if it does not exist.
pub(crate) fn check(path: &Path, profile: &str) -> Result<Option<CheckedFile>, imgprep::Error> {
    match imgprep::check(path).profile(profile).run() {
        Ok(checked) => Ok(Some(checked)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("usage: check_profile IMAGE [PROFILE]")?;
    let profile = args.next().map_or("otc".into(), |profile| profile.to_string_lossy().into_owned());
    let Some(checked) = check(path.as_ref(), &profile)? else {
        eprintln!("the image does not exist");
        return Ok(ExitCode::FAILURE);
    };
    for violation in &checked.violations {
        println!("{}: {}", violation.rule.id.name(), imgprep::printable(&violation.fact));
    }
    let is_open = checked.routes.iter().any(|route| route.verdict.is_ready());
    println!("{}", if is_open { "ready for the import" } else { "not ready for the import" });
    Ok(ExitCode::SUCCESS)
}

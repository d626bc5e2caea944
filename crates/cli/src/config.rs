//! `imgprep.toml`, and its combination with the command line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use imgprep::policy::{CONFIG_NAME, CheckIntent, Config, Level, Levels, Profile, built_in, place_of};

use serde_json::json;

use crate::args::CheckArgs;
use crate::failure::{Failure, file_error};
use crate::render::print::say;
use crate::text_file::read;

/// Settings of a check, from configuration and command line.
pub(crate) struct Settings {
    pub(crate) profile: Option<Profile>,
    pub(crate) intent: CheckIntent,
    pub(crate) is_deep: bool,
}

/// A configuration with its path and text.
///
/// Errors in it are reported with file, line and column.
#[derive(Default)]
struct Found {
    path: PathBuf,
    text: String,
    config: Config,
}

/// Finds the configuration in the working directory or its ancestors.
fn find() -> Result<Option<Found>, Failure> {
    let here = std::env::current_dir()?;
    let Some(path) = here.ancestors().map(|folder| folder.join(CONFIG_NAME)).find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let text = read(&path)?;
    let config = Config::parse(&path.display().to_string(), &text).map_err(usage)?;
    Ok(Some(Found { path, text, config }))
}

impl Found {
    /// An error in a value of a key of `[check]`.
    fn wrong(&self, key: &str, value: &str, what: &str) -> Failure {
        let place = place_of(&self.text, "check", key, value);
        let place = place.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        Failure::Usage(format!("{}{place}: {key}: {what}", self.path.display()))
    }

    /// The levels that the configuration sets.
    fn levels(&self) -> Result<Levels, Failure> {
        let mut levels = Levels::default();
        let check = &self.config.check;
        for (key, rules, level) in [
            ("deny", &check.deny, Level::Deny),
            ("warn", &check.warn, Level::Warn),
            ("allow", &check.allow, Level::Allow),
        ] {
            for id in rules {
                levels.set(id, level).map_err(|error| self.wrong(key, id, &error.to_string()))?;
            }
        }
        Ok(levels)
    }
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

/// Writes the template. An existing file is not changed.
pub(crate) fn init(is_json: bool) -> Result<(), Failure> {
    let created = std::fs::File::create_new(CONFIG_NAME);
    let mut file = created.map_err(|error| file_error(Path::new(CONFIG_NAME), &error))?;
    file.write_all(Config::TEMPLATE.as_bytes())?;
    written(CONFIG_NAME, "edit it, then run: imgprep check DIR", is_json)
}

/// Reports a file that was written for the user to edit.
pub(crate) fn written(name: &str, next: &str, is_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if is_json {
        let object = json!({ "schema": "imgprep/init/1", "written": name });
        return Ok(out.write_all(crate::render::json::text(&object).as_bytes())?);
    }
    Ok(say(&mut out, format_args!("{name}: {next}"))?)
}

pub(crate) fn settings(args: &CheckArgs) -> Result<Settings, Failure> {
    let found = find()?.unwrap_or_default();
    let mut levels = found.levels()?;
    for (rules, level) in [(&args.allow, Level::Allow), (&args.warn, Level::Warn), (&args.deny, Level::Deny)]
    {
        rules.iter().try_for_each(|id| levels.set(id, level)).map_err(usage)?;
    }
    let check = &found.config.check;
    let profile = profile(args, &found)?;
    let disk = args.import.disk.or(check.disk).unwrap_or_default();
    let route = args.route.clone().or_else(|| check.route.clone());
    if let Some(wanted) = &route {
        let what = unknown_route(wanted, profile.as_ref());
        what.map_or(Ok(()), |what| {
            Err(match args.route {
                Some(_) => Failure::Usage(format!("--route {what}")),
                None => found.wrong("route", wanted, &what),
            })
        })?;
    }
    Ok(Settings {
        profile,
        intent: CheckIntent { disk, route, levels },
        is_deep: args.deep || check.deep.unwrap_or(false),
    })
}

fn unknown_route(wanted: &str, profile: Option<&Profile>) -> Option<String> {
    let known: Vec<_> =
        profile.into_iter().flat_map(Profile::routes).map(|route| route.id.as_str()).collect();
    match (known.contains(&wanted), known.is_empty()) {
        (true, _) => None,
        (false, true) => Some(format!("{wanted}: a route requires a profile")),
        (false, false) => Some(format!("{wanted}: unknown route; the profile has {}", known.join(", "))),
    }
}

/// The profile on the command line, or else that of the configuration.
fn profile(args: &CheckArgs, found: &Found) -> Result<Option<Profile>, Failure> {
    let check = &found.config.check;
    match (&args.import.profile, &args.profile_file, &check.profile, &check.profile_file) {
        (Some(name), ..) => {
            built_in_profile(name).map_err(|what| Failure::Usage(format!("--profile {what}")))
        }
        (None, Some(file), ..) => from_file(file),
        (None, None, Some(name), _) => {
            built_in_profile(name).map_err(|what| found.wrong("profile", name, &what))
        }
        (None, None, None, Some(file)) => {
            let path = found.path.with_file_name(file);
            from_file(&path).map_err(|failure| match failure {
                Failure::Usage(what) if !path.is_file() => found.wrong("profile-file", file, &what),
                other => other,
            })
        }
        (None, None, None, None) => return Ok(None),
    }
    .map(Some)
}

/// The built-in profile with this name. The error describes what is wrong with it.
pub(crate) fn built_in_profile(name: &str) -> Result<Profile, String> {
    let known = || built_in().collect::<Vec<_>>().join(", ");
    let profile = Profile::built_in(name);
    let profile = profile.ok_or_else(|| format!("{name}: unknown profile; the profiles are {}", known()))?;
    profile.map_err(|error| error.to_string())
}

fn from_file(path: &Path) -> Result<Profile, Failure> {
    Profile::parse(&path.display().to_string(), &read(path)?).map_err(usage)
}

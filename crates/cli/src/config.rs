//! `imgprep.toml`, and what the command line says over it.

use std::io::Write;
use std::path::{Path, PathBuf};

use imgprep::policy::{CONFIG_NAME, Config, DiskKind, Level, Profile, Wish, built_in};

use crate::args::{CheckArgs, DiskUse};
use crate::failure::Failure;

/// What a check is asked for, from both.
pub(crate) struct Settings {
    pub(crate) profile: Option<Profile>,
    pub(crate) wish: Wish,
    pub(crate) is_deep: bool,
}

/// The configuration found from the working directory upwards, and its folder.
fn find() -> Result<Option<(PathBuf, Config)>, Failure> {
    let here = std::env::current_dir()?;
    let Some(path) = here.ancestors().map(|folder| folder.join(CONFIG_NAME)).find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let config = Config::parse(&path.display().to_string(), &read(&path)?).map_err(usage)?;
    Ok(Some((path, config)))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

/// Writes the template; an existing file is kept.
pub(crate) fn init() -> Result<(), Failure> {
    let created = std::fs::File::create_new(CONFIG_NAME);
    let mut file = created.map_err(|error| Failure::Usage(format!("{CONFIG_NAME}: {error}")))?;
    file.write_all(Config::TEMPLATE.as_bytes())?;
    Ok(writeln!(std::io::stdout(), "{CONFIG_NAME} is written")?)
}

pub(crate) fn settings(args: &CheckArgs) -> Result<Settings, Failure> {
    let (path, config) = find()?.unwrap_or_default();
    let mut levels =
        config.levels().map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    for (rules, level) in [(&args.allow, Level::Allow), (&args.warn, Level::Warn), (&args.deny, Level::Deny)]
    {
        rules.iter().try_for_each(|id| levels.set(id, level)).map_err(usage)?;
    }
    let check = config.check;
    let in_folder = |file: &String| path.with_file_name(file);
    let profile = match (&args.profile, &args.profile_file) {
        (Some(name), _) => Some(named(name)?),
        (None, Some(file)) => Some(from_file(file)?),
        (None, None) => match (&check.profile, &check.profile_file) {
            (Some(name), _) => Some(named(name)?),
            (None, Some(file)) => Some(from_file(&in_folder(file))?),
            (None, None) => None,
        },
    };
    let disk = match args.disk {
        Some(DiskUse::System) => DiskKind::System,
        Some(DiskUse::Data) => DiskKind::Data,
        None => check.disk.unwrap_or_default(),
    };
    let route = args.route.clone().or(check.route);
    if let Some(wanted) = &route {
        let known: Vec<_> = profile.iter().flat_map(Profile::routes).map(|route| route.id.as_str()).collect();
        if !known.contains(&wanted.as_str()) {
            let known = if known.is_empty() { "none without --for".into() } else { known.join(", ") };
            return Err(Failure::Usage(format!("--route {wanted}: the routes are {known}")));
        }
    }
    Ok(Settings {
        profile,
        wish: Wish { disk, route, levels },
        is_deep: args.deep || check.deep.unwrap_or(false),
    })
}

/// The built-in profile of this name.
pub(crate) fn named(name: &str) -> Result<Profile, Failure> {
    let known = || built_in().collect::<Vec<_>>().join(", ");
    let profile = Profile::built_in(name);
    let profile =
        profile.ok_or_else(|| Failure::Usage(format!("--for {name}: the profiles are {}", known())))?;
    profile.map_err(usage)
}

fn from_file(path: &Path) -> Result<Profile, Failure> {
    Profile::parse(&path.display().to_string(), &read(path)?).map_err(usage)
}

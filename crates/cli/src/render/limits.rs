//! Limits that an output must meet.
//!
//! These are the free space of its file system and the sizes that import routes accept.

use std::path::Path;

use imgprep::Target;
use imgprep::policy::{Profile, RouteFit};
use serde_json::{Value as Json, json};

use crate::config::built_in_profile;
use crate::failure::Failure;
use crate::size::short;

/// The size of an output that is still to be written.
#[derive(Clone, Copy)]
pub(crate) struct OutputSize {
    /// Length of the file, in bytes.
    pub(crate) len: u64,
    /// Whether the length is exact. Otherwise it is an upper bound.
    pub(crate) is_exact: bool,
    /// Virtual size, in bytes.
    pub(crate) virtual_size: u64,
}

/// Whether a file fits into the file system of a folder.
pub(crate) fn space(folder: &Path, size: OutputSize, free: u64) -> String {
    let fits = match (size.len <= free, size.is_exact) {
        (true, _) => "fits",
        (false, true) => "does not fit",
        (false, false) => "may not fit",
    };
    format!("{}: {fits}, {} free", folder.display(), short(free))
}

/// The profile that `--profile` names.
pub(crate) fn profile(name: &str) -> Result<Profile, Failure> {
    built_in_profile(name).map_err(|what| Failure::Usage(format!("--profile {what}")))
}

/// The import limits of a profile, applied to an output.
pub(crate) struct ImportLimits<'p> {
    profile: &'p str,
    size: OutputSize,
    routes: Vec<RouteFit>,
}

impl<'p> ImportLimits<'p> {
    pub(crate) fn of(profile: &'p Profile, target: &Target, size: OutputSize) -> Self {
        // No route accepts an image that needs another file.
        let is_whole = !target.is_multi_file() && target.backing().is_none();
        let format = if is_whole { target.name() } else { "" };
        let routes = profile.fits(format, size.len, size.virtual_size);
        Self { profile: &profile.name, size, routes }
    }

    /// One line for each import route.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.routes.iter().map(|route| format!("{}, {}: {}", self.profile, route.title, self.verdict(route)))
    }

    fn verdict(&self, route: &RouteFit) -> String {
        if !route.takes_format {
            return "does not accept this format".into();
        }
        if self.size.virtual_size > route.disk_max {
            return format!("exceeds the limit of {} for the disk", short(route.disk_max));
        }
        if self.size.len <= route.file_max {
            return format!("fits, the limit of the file is {}", short(route.file_max));
        }
        let exceeds = if self.size.is_exact { "exceeds" } else { "may exceed" };
        format!("{exceeds} the limit of {} for the file", short(route.file_max))
    }

    /// The name of the profile.
    pub(crate) fn profile(&self) -> &str {
        self.profile
    }

    /// The routes as JSON.
    pub(crate) fn json(&self) -> Json {
        let route = |route: &RouteFit| {
            json!({
                "id": route.id, "title": route.title, "accepts-format": route.takes_format,
                "file-limit": route.file_max, "disk-limit": route.disk_max, "fits": route.fits,
            })
        };
        self.routes.iter().map(route).collect()
    }
}

//! Limits that an output must meet.
//!
//! These are the free space of its file system and the sizes that import routes accept.

use std::path::Path;

use imgprep::Measurement;
use imgprep::policy::RouteFit;
use serde_json::{Value as Json, json};

use crate::size::short;

/// Whether a file fits into the file system of a folder.
///
/// `len` is its exact or its maximum length in bytes.
pub(crate) fn space(folder: &Path, len: u64, is_exact: bool, free: u64) -> String {
    let fits = match (len <= free, is_exact) {
        (true, _) => "fits",
        (false, true) => "does not fit",
        (false, false) => "may not fit",
    };
    format!("{}: {fits}, {} free", folder.display(), short(free))
}

/// Whether an output meets the limits of an import route.
pub(crate) fn route(profile: &str, route: &RouteFit, measured: &Measurement) -> String {
    format!("{profile}, {}: {}", route.title, verdict(route, measured))
}

fn verdict(route: &RouteFit, measured: &Measurement) -> String {
    if !route.takes_format {
        return "does not accept this format".into();
    }
    if measured.virtual_size > route.disk_max {
        return format!("exceeds the limit of {} for the disk", short(route.disk_max));
    }
    if measured.required <= route.file_max {
        return format!("fits, the limit of the file is {}", short(route.file_max));
    }
    let exceeds = if measured.is_exact { "exceeds" } else { "may exceed" };
    format!("{exceeds} the limit of {} for the file", short(route.file_max))
}

pub(crate) fn routes_json(routes: &[RouteFit]) -> Json {
    let route = |route: &RouteFit| {
        json!({
            "id": route.id, "title": route.title, "accepts-format": route.takes_format,
            "file-limit": route.file_max, "disk-limit": route.disk_max, "fits": route.fits,
        })
    };
    routes.iter().map(route).collect()
}

//! The options of a batch, as recorded in its journal: if it were resumed with others, it would replace finished outputs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use imgprep::policy::DiskRole;
use imgprep::{Error, FollowPolicy};

use super::event::{Asked, JOURNAL_NAME};
use super::fingerprint::{JournalPath, absolute};
use super::history::History;
use super::record::path_text;
use crate::BatchError;
use crate::plan::job_spec::JobSpec;
use crate::plan::jobs::{Batch, Job};

/// The key of the profile in the journal. The command line calls it `--profile`, and accepts the older `--for`.
const PROFILE: &str = "for";
/// Maximum number of differences in an error.
const SHOWN: usize = 8;

impl Asked {
    pub(crate) fn of(job: &Job) -> Self {
        Self { source: JournalPath(absolute(&job.source)), settings: settings(&job.spec) }
    }
}

fn settings(spec: &JobSpec) -> BTreeMap<String, String> {
    let set = |is_set: bool| is_set.then(|| "yes".to_string());
    let named = [
        ("from", spec.from.clone()),
        ("snapshot", spec.snapshot.clone()),
        ("to", Some(spec.to.clone())),
        ("uuid", spec.uuid.clone()),
        (PROFILE, spec.profile.clone()),
        ("follow", (spec.follow != FollowPolicy::default()).then(|| spec.follow.name().to_string())),
        ("disk", (spec.disk != DiskRole::default()).then(|| spec.disk.name().to_string())),
        ("accept-parent", set(spec.accept_parent)),
        ("bitmap", set(spec.bitmap)),
        ("verify", set(spec.verify)),
        ("salvage", set(spec.salvage)),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
    let options = spec.options.iter().map(|(key, value)| (format!("option {key}"), value.clone()));
    named.chain(options).collect()
}

/// Rejects a resumed batch if its outputs had other names or other options before.
pub(crate) fn check(batch: &Batch, history: &History) -> Result<(), Error> {
    let differences = differences(batch, history);
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(SHOWN).map(|(difference, images)| match images {
        1 => difference.clone(),
        _ => format!("{difference} ({images} images)"),
    });
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let Some(more) = differences.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text += &format!("; and {more} more");
    }
    Err(Error::new(BatchError::OptionsDiffer { differences: text })
        .in_path(path_text(&batch.out.join(JOURNAL_NAME))))
}

/// Each difference, with the number of images that it affects.
fn differences(batch: &Batch, history: &History) -> BTreeMap<String, usize> {
    let keys: HashSet<&str> = batch.jobs.iter().map(|job| job.key.as_str()).collect();
    // Outputs of earlier runs that this one does not write, by their sources.
    let renamed: HashMap<&Path, (&str, &Asked)> = history
        .asked()
        .filter(|(output, _)| !keys.contains(output))
        .map(|(output, asked)| (asked.source.0.as_path(), (output, asked)))
        .collect();
    let mut all = BTreeMap::new();
    let mut differ = |name: &str, was: Option<&str>, is: Option<&str>| {
        if was != is {
            let (was, is) = (was.unwrap_or("the default"), is.unwrap_or("the default"));
            *all.entry(format!("{name} was {was}, is {is}")).or_insert(0) += 1;
        }
    };
    for job in &batch.jobs {
        let now = Asked::of(job);
        let known = history.asked_of(&job.key).map(|asked| (job.key.as_str(), asked));
        let Some((output, then)) = known.or_else(|| renamed.get(now.source.0.as_path()).copied()) else {
            continue;
        };
        let names: HashSet<&String> = then.settings.keys().chain(now.settings.keys()).collect();
        for name in names {
            differ(
                if name == PROFILE { "profile" } else { name },
                then.settings.get(name).map(String::as_str),
                now.settings.get(name).map(String::as_str),
            );
        }
        let (was, is) = (path_text(&then.source.0), path_text(&now.source.0));
        differ(&format!("the source of {}", job.key), Some(was.as_str()), Some(is.as_str()));
        // Another format has another extension: that is one difference, not two.
        if then.settings.get("to") == now.settings.get("to") {
            differ(
                &format!("the output of {}", path_text(&job.source)),
                Some(output),
                Some(job.key.as_str()),
            );
        }
    }
    all
}

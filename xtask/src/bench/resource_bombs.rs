//! What headers cost that declare more than any machine has: the slowest of each format, and the most memory.

use std::collections::BTreeMap;
use std::io;

use super::inputs::Inputs;
use super::job::{Job, race};

/// One job for each format and command: the time of the slowest bomb, whose name is its label.
pub(super) fn measure(inputs: &Inputs, runs: usize) -> io::Result<Vec<Job>> {
    let mut by_format: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (format, path) in inputs.resource_bombs()? {
        by_format.entry(format).or_default().push(path);
    }
    let mut worst = Vec::new();
    for (format, paths) in &by_format {
        for command in ["info", "check"] {
            let name = format!("{command} of {} resource bombs of {format}", paths.len());
            worst.push(slowest(inputs, &name, command, paths, runs)?);
        }
    }
    Ok(worst)
}

fn slowest(inputs: &Inputs, name: &str, command: &str, paths: &[String], runs: usize) -> io::Result<Job> {
    let mut jobs = Vec::new();
    for path in paths {
        let args = [command, "--output", "json", path].map(String::from).to_vec();
        let label = path.rsplit('/').next().unwrap_or_default();
        let job = Job::new(name, &inputs.ours, args, inputs.folder.join("none")).called(label).judging();
        let mut alone = [job];
        race(&mut alone, runs)?;
        jobs.extend(alone);
    }
    let peak = jobs.iter().map(|job| job.peak_anonymous_kib).max().unwrap_or(0);
    let slowest = jobs.into_iter().max_by(|one, other| one.median().total_cmp(&other.median()));
    let mut slowest = slowest.ok_or_else(|| io::Error::other("a format without resource bombs"))?;
    slowest.peak_anonymous_kib = peak;
    Ok(slowest)
}

//! The specification of one job, and the import rules that judge its output.

use std::collections::BTreeMap;
use std::path::Path;

use imgprep::policy::DiskRole;
use imgprep::{Disk, FollowPolicy, Target, TargetError};
use serde::{Deserialize, Serialize};

/// How one image is opened, converted and judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobSpec {
    /// The source's format; detected by default.
    pub from: Option<String>,
    /// An internal snapshot, by id or name.
    pub snapshot: Option<String>,
    /// Which files are opened that an image names.
    pub follow: FollowPolicy,
    /// Whether a parent is taken that is not the one that the image was made over.
    pub accept_parent: bool,
    /// The target's format.
    pub to: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// The output's uuid; random by default.
    pub uuid: Option<String>,
    /// Whether the block bitmap is written beside a RAW.
    pub bitmap: bool,
    /// Whether the output is read back.
    pub verify: bool,
    /// Whether zeros take the place of what cannot be read.
    pub salvage: bool,
    /// The import profile that judges.
    pub profile: Option<String>,
    /// What the image will be.
    pub disk: DiskRole,
}

/// What is judged.
pub struct Subject<'a> {
    /// The disk as it came.
    pub source: &'a Disk,
    /// What it becomes.
    pub target: Target,
    /// Length of the output: what it has, or at most will have.
    pub output_len: u64,
    /// The output, once it is there.
    pub output: Option<&'a Path>,
    /// The name of the profile.
    pub profile: &'a str,
    /// What the image will be.
    pub disk: DiskRole,
}

/// Whether an image can be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The profile that was asked for.
    pub profile: Option<String>,
    /// The answer; `None` is "not judged".
    pub importable: Option<bool>,
    /// The violations.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// One sentence of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reason {
    /// The rule's stable id.
    pub rule: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// The import rules that outputs are checked against.
pub trait ImportRules: Sync {
    /// Whether there is a profile of this name, or what is wrong with it.
    fn check_profile(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether an image can be imported. Without rules: not judged.
    fn judge(&self, subject: &Subject<'_>) -> Verdict {
        Verdict { profile: Some(subject.profile.into()), ..Verdict::default() }
    }
}

impl JobSpec {
    /// The target of the job, or the reason why it is invalid.
    pub(crate) fn target(&self) -> Result<Target, String> {
        let options: Vec<_> = self.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let target = Target::parse(&self.to, options.iter().map(String::as_str));
        target.map_err(|error| match error {
            TargetError::Unknown { .. } => format!("to {error}"),
            error => error.to_string(),
        })
    }
}

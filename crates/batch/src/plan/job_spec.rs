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
    /// The policy for files that an image names.
    pub follow: FollowPolicy,
    /// Whether a parent is accepted whose id does not match.
    pub accept_parent: bool,
    /// The target's format.
    pub to: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// The output's uuid; random by default.
    pub uuid: Option<String>,
    /// Whether the block bitmap is written next to a RAW.
    pub bitmap: bool,
    /// Whether the output is read back.
    pub verify: bool,
    /// Whether unreadable ranges are replaced by zeros.
    pub salvage: bool,
    /// The import profile that the output is checked against.
    pub profile: Option<String>,
    /// The role of the disk.
    pub disk: DiskRole,
}

/// An image that is checked against the import rules.
pub struct Subject<'a> {
    /// The source.
    pub source: &'a Disk,
    /// The target format.
    pub target: Target,
    /// Length of the output, or its upper bound before the conversion.
    pub output_len: u64,
    /// The output, once it exists.
    pub output: Option<&'a Path>,
    /// The name of the profile.
    pub profile: &'a str,
    /// The role of the disk.
    pub disk: DiskRole,
}

/// Whether an image can be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The requested profile.
    pub profile: Option<String>,
    /// The result; `None` if it was not checked.
    pub importable: Option<bool>,
    /// The violations.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// One violation of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reason {
    /// The rule's stable id.
    pub rule: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// The finding.
    pub message: String,
    /// The remedy.
    pub remedy: Option<String>,
}

/// The import rules that outputs are checked against.
pub trait ImportRules: Sync {
    /// Fails if there is no valid profile of this name.
    fn check_profile(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether an image can be imported. By default it is not checked.
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

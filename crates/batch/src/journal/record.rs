//! The record of one job: it is reported during the run, written to the journal, and shown in the report.

use std::path::Path;

use imgprep::{Disk, Error, Finding, Hint, LayerInfo, Severity};
use serde::{Deserialize, Serialize};

use crate::plan::job_spec::Verdict;

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The output exists and is complete.
    Done,
    /// The conversion failed; the record contains the error.
    Failed,
    /// The batch was stopped before the job was done.
    #[default]
    Stopped,
}

/// The job of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The image.
    pub source: String,
    /// Its output, below the output folder.
    pub output: String,
    /// How it ended.
    pub state: State,
    /// Whether an earlier run of the batch did it.
    #[serde(default, skip_deserializing)]
    pub earlier: bool,
    /// The source's format.
    pub format: Option<String>,
    /// Its variant.
    pub variant: Option<String>,
    /// The target's format.
    pub target: String,
    /// Length of the disk.
    pub virtual_size: Option<u64>,
    /// Bytes that the source's files take.
    pub source_size: Option<u64>,
    /// Length of the output.
    pub output_size: Option<u64>,
    /// Duration of the last attempt, in seconds.
    pub seconds: f64,
    /// Number of attempts.
    pub attempts: u32,
    /// Threads of the last attempt.
    pub threads: usize,
    /// Whether it was read back and compared.
    pub verified: bool,
    /// Whether the output can be imported.
    pub verdict: Verdict,
    /// Anomalies of the source.
    pub findings: Vec<Note>,
    /// Ranges of the disk that could not be read and are zeros in the output.
    pub losses: Vec<Lost>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// The allocation of the source: one letter for each of the equal parts of the disk, `d` for data, `p` for compressed
    /// data or `z` for zeros, whichever predominates.
    #[serde(rename = "strip")]
    pub allocation: String,
}

/// An anomaly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Note {
    /// Its stable code.
    pub code: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// File offset.
    pub offset: Option<u64>,
    /// What was found.
    pub message: String,
}

/// Bytes of the disk that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lost {
    /// First byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// Stable code of the error.
    pub code: String,
    /// The error.
    pub message: String,
}

/// An error, as in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// Its stable code.
    pub code: String,
    /// Its class.
    pub class: String,
    /// The message with path and offsets.
    pub message: String,
    /// The file that it concerns.
    pub file: Option<String>,
    /// File offset.
    pub offset: Option<u64>,
    /// A command that avoids the error.
    pub remedy: Option<String>,
    /// Name of the option that would let the conversion succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// Describes an error, with its remedy.
    pub fn of(error: &Error) -> Self {
        Self {
            code: error.code().id.into(),
            class: error.class().name().into(),
            message: error.to_string(),
            file: error.path().map(Into::into),
            offset: error.at(),
            remedy: imgprep::remedy(error).map(|remedy| remedy.to_string()),
            hint: error.hint().map(|hint| hint.name().into()),
        }
    }
}

impl Failure {
    /// The hint as text, without the options of any program.
    pub fn hint_text(&self) -> Option<&'static str> {
        self.hint.as_deref().and_then(Hint::by_name).map(Hint::text)
    }
}

impl Record {
    /// Adds the facts of an open disk.
    pub(crate) fn describe(&mut self, disk: &Disk) {
        let top = disk.layers().first();
        self.format = top.map(|layer| layer.facts.format.into());
        self.variant = top.map(|layer| layer.facts.variant.clone());
        self.virtual_size = Some(disk.size());
        self.source_size = Some(disk.layers().iter().map(LayerInfo::actual_size).sum());
        self.findings = disk.layers().iter().flat_map(|layer| &layer.findings).map(note).collect();
        self.findings.extend(disk.contents().findings.iter().map(note));
    }

    /// Whether somebody has to look into it.
    pub fn needs_attention(&self) -> bool {
        self.state != State::Done || self.verdict.importable == Some(false)
    }
}

fn note(finding: &Finding) -> Note {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    Note {
        code: finding.code.id.into(),
        severity: severity.into(),
        offset: finding.at,
        message: finding.message.clone(),
    }
}

/// A path as text. Bytes that are not UTF-8 are escaped, so that different paths have different texts.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_str().map_or_else(|| path.as_os_str().as_encoded_bytes().escape_ascii().to_string(), Into::into)
}

//! The record of one image's job: reported while it runs, kept in the journal, shown in the report.

use std::path::Path;

use imgprep::{Disk, Error, Finding, Hint, LayerInfo, Severity};
use serde::{Deserialize, Serialize};

use crate::plan::job_spec::Verdict;

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The output is there and whole.
    Done,
    /// It is not; the record's error says why.
    Failed,
    /// The batch was stopped before.
    #[default]
    Stopped,
}

/// One image's job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The image.
    pub source: String,
    /// Its output, below the output folder.
    pub output: String,
    /// How it ended.
    pub state: State,
    /// Whether this was done by an earlier run of the batch.
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
    /// How long the last attempt took.
    pub seconds: f64,
    /// How often it was tried.
    pub attempts: u32,
    /// Threads of the last attempt.
    pub threads: usize,
    /// Whether it was read back and found equal.
    pub verified: bool,
    /// Whether the output can be imported.
    pub verdict: Verdict,
    /// Oddities of the source.
    pub findings: Vec<Note>,
    /// Ranges of the disk that are zeros since they could not be read.
    pub losses: Vec<Lost>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// How the source stores the disk, from its beginning to its end: a letter for each of equal
    /// parts. `d` data, `p` compressed, `z` zeros; what most of the part is.
    #[serde(rename = "strip")]
    pub allocation: String,
}

/// An oddity, with what to do.
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
    /// First byte behind.
    pub end: u64,
    /// Stable code of the error.
    pub code: String,
    /// The error.
    pub message: String,
}

/// An error, as JSON has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// Its stable code.
    pub code: String,
    /// What kind of trouble.
    pub class: String,
    /// The message with its place.
    pub message: String,
    /// The file that it is about.
    pub file: Option<String>,
    /// File offset.
    pub offset: Option<u64>,
    /// What to do, as a command.
    pub remedy: Option<String>,
    /// Name of the option that would let the conversion succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// The error in words, and what to do.
    pub fn of(error: &Error, remedy: Option<String>) -> Self {
        Self {
            code: error.code().into(),
            class: error.class().name().into(),
            message: error.to_string(),
            file: error.path().map(Into::into),
            offset: error.at(),
            remedy,
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
    /// The facts of an opened disk.
    pub(crate) fn describe(&mut self, disk: &Disk) {
        let top = disk.layers().first();
        self.format = top.map(|layer| layer.facts.format.into());
        self.variant = top.map(|layer| layer.facts.variant.clone());
        self.virtual_size = Some(disk.size());
        self.source_size = Some(disk.layers().iter().map(LayerInfo::actual_size).sum());
        self.findings = disk.layers().iter().flat_map(|layer| &layer.findings).map(note).collect();
        self.findings.extend(disk.contents().findings.iter().map(note));
    }

    /// Whether it counts as one that needs a person.
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
        code: finding.code.into(),
        severity: severity.into(),
        offset: finding.at,
        message: finding.message.clone(),
    }
}

/// A path as text. Bytes that are no UTF-8 are spelled, so that two paths never are one text.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_str().map_or_else(|| path.as_os_str().as_encoded_bytes().escape_ascii().to_string(), Into::into)
}

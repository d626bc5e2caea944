//! The lines of a journal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fingerprint::{FileStamp, Fingerprint, JournalPath, absolute};
use super::record::Record;
use crate::plan::jobs::Job;

/// The name of the journal in the output folder.
pub const JOURNAL_NAME: &str = "imgprep-batch.journal";

/// The event of one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A run begins.
    Begin { schema: String, program: String, process: u32, jobs: usize },
    /// An output that this batch will write. `foreign`: a file of this name exists already.
    Job {
        output: String,
        source: String,
        foreign: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extents: Option<Extents>,
    },
    /// An attempt begins.
    Start { output: String, attempt: u32 },
    /// The output is complete.
    Done(Box<Finished>),
    /// An attempt failed.
    Fail { record: Box<Record> },
    /// Nothing is left to do.
    End { done: usize, failed: usize },
}

/// A finished output, with what is needed to detect changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// Checksum of the job specification.
    #[serde(rename = "wish")]
    pub(crate) spec: u32,
    /// All files of the output and its bitmap, by path.
    pub(crate) outputs: Vec<(JournalPath, Fingerprint)>,
    /// All files that were read.
    pub(crate) sources: Vec<(JournalPath, FileStamp)>,
    pub(crate) record: Record,
}

impl Finished {
    /// Whether sources, outputs and specification are all unchanged.
    pub(crate) fn holds(&self, spec: u32) -> bool {
        let is_same =
            |(path, stamp): &(JournalPath, FileStamp)| FileStamp::of(&path.0).is_ok_and(|now| now == *stamp);
        self.spec == spec
            && self.sources.iter().all(is_same)
            && self.outputs.iter().all(|(path, fingerprint)| fingerprint.holds(&path.0))
    }
}

/// The source of an output, and its settings other than the defaults, by their names on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) source: JournalPath,
    pub(crate) settings: BTreeMap<String, String>,
}

/// The files of an output of several files, apart from the one that contains their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extents {
    /// The first one: it identifies the others, whose number depends on the size of the disk.
    pub(crate) first: JournalPath,
    /// Those that existed already.
    pub(crate) foreign: Vec<JournalPath>,
}

impl Extents {
    /// The current state of the extents of a job; `None` if its output is one file.
    pub(crate) fn of(job: &Job) -> Option<Self> {
        let path = |path: &PathBuf| JournalPath(absolute(path));
        let first = job.extents().first().map(path)?;
        Some(Self { first, foreign: job.existing_extents().iter().map(path).collect() })
    }
}

/// The line of an event.
pub(super) fn encode(event: &Event) -> String {
    // OK: maps with text keys and plain values can always be serialized.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

/// The event of a line; `None` if the line is damaged.
pub(super) fn decode(line: &[u8]) -> Option<Event> {
    let json = line.get(9..)?;
    let head = format!("{:08x} ", crc32fast::hash(json));
    if line.starts_with(head.as_bytes()) { serde_json::from_slice(json).ok() } else { None }
}

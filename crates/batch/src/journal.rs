//! The journal: one checksummed line an event, only ever appended to.
//!
//! `CRC32 JSON`, the checksum in eight hexadecimal digits over the JSON. A line that was torn by a
//! power cut, or damaged, is as if it had not been written: then an image is converted once more.
//! The file is locked as long as its batch runs: that is what keeps a second batch out of the folder.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use imgprep::{Detail, Error, reason};
use serde::{Deserialize, Serialize};

use crate::BatchError;
use crate::fingerprint::{FileStamp, Fingerprint, JournalPath};
use crate::record::Record;

/// Its name in the output folder.
pub const JOURNAL_NAME: &str = "imgprep-batch.journal";
const SCHEMA: &str = "imgprep/journal/1";
/// Room that is kept for the lines about one image, and for the others.
const ROOM_PER_JOB: u64 = 4096;
const ROOM: u64 = 64 << 10;

/// What a line says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A run begins.
    Begin { schema: String, program: String, process: u32, jobs: usize },
    /// An output that this batch is going to make. `foreign`: there was a file of this name already.
    Job {
        output: String,
        source: String,
        foreign: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// An attempt begins.
    Start { output: String, attempt: u32 },
    /// The output is there.
    Done(Box<Finished>),
    /// It is not.
    Fail { record: Box<Record> },
    /// Nothing is left to do.
    End { done: usize, failed: usize },
}

/// A finished output, and how it is recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// Checksum of the job specification.
    #[serde(rename = "wish")]
    pub(crate) spec: u32,
    /// The output and what was written along with it, by path.
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

/// What earlier runs left.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Outputs that are ours to replace, and those that were not.
    foreign: HashMap<String, bool>,
    pub(crate) finished: HashMap<String, Finished>,
    /// What was asked for, by output, where the journal has it.
    asked: HashMap<String, Asked>,
    /// Lines that do not say what was written.
    pub(crate) damaged: usize,
}

impl History {
    /// Whether a file of this output's name was made by this batch.
    pub(crate) fn is_ours(&self, output: &str) -> bool {
        self.finished.contains_key(output) || self.foreign.get(output) == Some(&false)
    }

    /// All outputs that the batch named.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.foreign.keys().map(String::as_str)
    }

    /// What was last asked for, by output.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (&str, &Asked)> {
        self.asked.iter().map(|(output, asked)| (output.as_str(), asked))
    }

    /// What was last asked for under this output's name.
    pub(crate) fn asked_of(&self, output: &str) -> Option<&Asked> {
        self.asked.get(output)
    }

    /// What the journal of a folder says, without a lock and without a trace.
    pub(crate) fn look(folder: &Path) -> Self {
        std::fs::read(folder.join(JOURNAL_NAME)).map_or_else(|_| Self::default(), |bytes| Self::read(&bytes))
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut history = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match decode(line) {
                Some(event) => history.take(event),
                None => history.damaged += 1,
            }
        }
        history
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Job { output, foreign, asked, .. } => {
                asked.map(|asked| self.asked.insert(output.clone(), asked));
                // What was ours once stays ours.
                let known = self.foreign.entry(output).or_insert(foreign);
                *known &= foreign;
            }
            Event::Done(finished) => {
                self.finished.insert(finished.record.output.clone(), *finished);
            }
            Event::Start { output, .. } => {
                self.finished.remove(&output);
            }
            // Somebody else's file appeared meanwhile.
            Event::Fail { record }
                if record
                    .error
                    .as_ref()
                    .is_some_and(|error| error.code == BatchError::OutputExists.code()) =>
            {
                self.foreign.insert(record.output.clone(), true);
            }
            Event::Begin { .. } | Event::Fail { .. } | Event::End { .. } => {}
        }
    }
}

fn encode(event: &Event) -> String {
    // OK: maps with text keys and plain values always have a JSON.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

fn decode(line: &[u8]) -> Option<Event> {
    let json = line.get(9..)?;
    let head = format!("{:08x} ", crc32fast::hash(json));
    if line.starts_with(head.as_bytes()) { serde_json::from_slice(json).ok() } else { None }
}

/// An open, locked journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes that were in it.
    found: u64,
    /// Lines that are not written yet.
    pending: String,
    /// Whether what is pending must be on the disk before it counts.
    must_sync: bool,
}

/// How an existing journal in the output folder is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingJournal {
    /// Reject it.
    #[default]
    Refuse,
    /// Continue its batch.
    Resume,
    /// Start over and replace the outputs.
    Replace,
}

impl Journal {
    /// Opens the journal of a folder, keeps others out, and reads what is in it.
    pub(crate) fn open(folder: &Path, existing_journal: ExistingJournal) -> Result<(Self, History), Error> {
        let path = folder.join(JOURNAL_NAME);
        let in_path = |error: BatchError| Error::new(error).in_path(path.display().to_string());
        let failed = |doing| move |error: io::Error| BatchError::Journal { doing, reason: reason(&error) };
        let opened = File::options().create(true).read(true).append(true).open(&path);
        let mut file = opened.map_err(failed("opened")).map_err(in_path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(in_path(BatchError::Locked { by: holder(&mut file) }));
            }
            Err(TryLockError::Error(error)) => return Err(in_path(failed("locked")(error))),
        }
        imgprep::sync_folder(folder).map_err(failed("synced")).map_err(in_path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read")).map_err(in_path)?;
        if existing_journal == ExistingJournal::Refuse && !bytes.is_empty() {
            return Err(in_path(BatchError::JournalExists));
        }
        if existing_journal == ExistingJournal::Replace {
            file.set_len(0).map_err(failed("emptied")).map_err(in_path)?;
            bytes.clear();
        }
        // A torn line is ended, so that the next one is whole.
        let is_torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        let pending = if is_torn { "\n".into() } else { String::new() };
        let history = History::read(&bytes);
        Ok((Self { file, path, found: bytes.len() as u64, pending, must_sync: true }, history))
    }

    /// Reserves space for the lines about `jobs` images: they must be written even when the disk is full.
    pub(crate) fn reserve(&self, jobs: usize) {
        if let Ok(found) = self.file.metadata() {
            let room = ROOM + ROOM_PER_JOB.saturating_mul(jobs as u64);
            imgprep::reserve(&self.file, found.len()..found.len().saturating_add(room));
        }
    }

    /// The first words of a run.
    pub(crate) fn begin(&mut self, jobs: usize) {
        self.say(&Event::Begin {
            schema: SCHEMA.into(),
            program: concat!("imgprep ", env!("CARGO_PKG_VERSION")).into(),
            process: std::process::id(),
            jobs,
        });
        self.must_sync = true;
    }

    /// Removes the lines of a rejected run.
    pub(crate) fn take_back(self) {
        let _ = self.file.set_len(self.found);
    }

    /// The last words of a run.
    pub(crate) fn end(&mut self, done: usize, failed: usize) -> Result<(), Error> {
        self.say(&Event::End { done, failed });
        self.commit()?;
        // Room that was not needed; what could not be freed does no harm.
        let _ = self.file.metadata().and_then(|found| self.file.set_len(found.len()));
        Ok(())
    }

    /// Takes a line; it is written with the next [`commit`](Self::commit).
    pub(crate) fn say(&mut self, event: &Event) {
        self.must_sync |= !matches!(event, Event::Start { .. });
        self.pending += &encode(event);
    }

    /// Writes the pending lines. Results are on the disk when this returns.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(self.pending.as_bytes());
        let synced = written.and_then(|()| if self.must_sync { self.file.sync_data() } else { Ok(()) });
        self.pending.clear();
        self.must_sync = false;
        synced.map_err(|error| {
            Error::new(BatchError::Journal { doing: "written", reason: reason(&error) })
                .in_path(self.path.display().to_string())
        })
    }
}

/// What the journal of a batch that runs says, and who runs it. `None`: no batch runs.
pub(crate) fn running(path: &Path) -> Option<(History, String)> {
    let mut file = File::open(path).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some((History::read(&bytes), holder(&mut file)))
}

/// Who has the lock, from the last beginning in the journal.
fn holder(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
    let begun = read.ok().and_then(|_| {
        bytes.split(|byte| *byte == b'\n').rev().find_map(|line| match decode(line) {
            Some(Event::Begin { process, .. }) => Some(process),
            _ => None,
        })
    });
    begun.map_or(String::new(), |process| format!(" (process {process})"))
}

/// The source of an output and the settings that are not the defaults, by the names that the command line has for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) source: JournalPath,
    pub(crate) settings: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(output: &str, foreign: bool) -> Event {
        Event::Job { output: output.into(), source: "s".into(), foreign, asked: None }
    }

    #[test]
    fn a_damaged_or_torn_line_is_as_if_it_was_not_written() {
        let whole = [job("a", false), job("b", true), job("c", false)].map(|event| encode(&event)).concat();
        let history = History::read(whole.as_bytes());
        assert_eq!((history.is_ours("a"), history.is_ours("b"), history.damaged), (true, false, 0));
        for cut in 1..whole.len() {
            let history = History::read(&whole.as_bytes()[..cut]);
            assert!(history.damaged <= 1 && !history.is_ours("b"));
            let mut flipped = whole.clone().into_bytes();
            flipped[cut] ^= 0x20;
            let history = History::read(&flipped);
            assert!((1..=2).contains(&history.damaged) && !history.is_ours("b"), "{cut}");
        }
    }

    #[test]
    fn a_file_that_was_there_before_never_becomes_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, history) = Journal::open(folder.path(), ExistingJournal::Refuse).unwrap();
        assert!(history.finished.is_empty());
        journal.begin(2);
        journal.say(&job("theirs", true));
        journal.say(&job("ours", false));
        journal.commit().unwrap();
        let error = Journal::open(folder.path(), ExistingJournal::Resume).unwrap_err();
        assert_eq!(error.code(), "batch.locked");
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        drop(journal);
        assert_eq!(
            Journal::open(folder.path(), ExistingJournal::Refuse).unwrap_err().code(),
            "batch.journal.exists"
        );
        let (mut journal, history) = Journal::open(folder.path(), ExistingJournal::Resume).unwrap();
        assert!(!history.is_ours("theirs") && history.is_ours("ours"));
        // On the second run our own output is there.
        journal.say(&job("ours", true));
        journal.commit().unwrap();
        drop(journal);
        let (_journal, history) = Journal::open(folder.path(), ExistingJournal::Resume).unwrap();
        assert!(history.is_ours("ours"));
    }

    #[test]
    fn a_torn_end_does_not_spoil_what_comes_after() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(JOURNAL_NAME), "1234").unwrap();
        let (mut journal, history) = Journal::open(folder.path(), ExistingJournal::Resume).unwrap();
        assert_eq!(history.damaged, 1);
        journal.say(&job("a", false));
        journal.commit().unwrap();
        drop(journal);
        assert!(Journal::open(folder.path(), ExistingJournal::Resume).unwrap().1.is_ours("a"));
        let (_journal, history) = Journal::open(folder.path(), ExistingJournal::Replace).unwrap();
        assert!(!history.is_ours("a"));
    }
}

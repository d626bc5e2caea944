//! The journal file: one line for each event, which is only appended.
//!
//! A line is `CRC32 JSON`: the checksum of the JSON in eight hexadecimal digits, and the JSON. A line that is damaged, or
//! torn by a power cut, is ignored: then an image is converted again. The file is locked while its batch runs, so that no
//! second batch runs in the folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use imgprep::{Error, reason};

use super::event::{Event, JOURNAL_NAME, decode, encode};
use super::history::History;
use crate::BatchError;

const SCHEMA: &str = "imgprep/journal/1";
/// Space that is reserved for the lines about one image, for each further file of its output, and for all other lines.
const ROOM_PER_JOB: u64 = 4096;
const ROOM_PER_EXTENT: u64 = 256;
const ROOM: u64 = 64 << 10;

/// An open, locked journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Its length when it was opened, in bytes.
    found: u64,
    /// Lines that are not written yet.
    pending: String,
    /// Whether the pending lines must be synced.
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
    /// Opens, locks and reads the journal of a folder.
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
        // A torn line is terminated, so that the next one is complete.
        let is_torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        let pending = if is_torn { "\n".into() } else { String::new() };
        let history = History::read(&bytes);
        Ok((Self { file, path, found: bytes.len() as u64, pending, must_sync: true }, history))
    }

    /// Reserves space for the lines about `jobs` images, whose outputs have up to `extents` further files: they must be written
    /// even when the disk is full.
    pub(crate) fn reserve(&self, jobs: usize, extents: usize) {
        if let Ok(found) = self.file.metadata() {
            let extents = ROOM_PER_EXTENT.saturating_mul(extents as u64);
            let room = ROOM.saturating_add(ROOM_PER_JOB.saturating_mul(jobs as u64)).saturating_add(extents);
            imgprep::reserve(&self.file, found.len()..found.len().saturating_add(room));
        }
    }

    /// Adds the first line of a run.
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

    /// Writes the last line of a run, and frees reserved space.
    pub(crate) fn end(&mut self, done: usize, failed: usize) -> Result<(), Error> {
        self.say(&Event::End { done, failed });
        self.commit()?;
        // Reserved space that remains does no harm.
        let _ = self.file.metadata().and_then(|found| self.file.set_len(found.len()));
        Ok(())
    }

    /// Adds a line, which the next [`commit`](Self::commit) writes.
    pub(crate) fn say(&mut self, event: &Event) {
        self.must_sync |= !matches!(event, Event::Start { .. });
        self.pending += &encode(event);
    }

    /// Writes the pending lines. Results are synced when this returns.
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

/// The journal of a running batch, and its process; `None` if no batch runs.
pub(crate) fn running(path: &Path) -> Option<(History, String)> {
    let mut file = File::open(path).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some((History::read(&bytes), holder(&mut file)))
}

/// The process that holds the lock, according to the journal.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(output: &str, foreign: bool) -> Event {
        Event::Job { output: output.into(), source: "s".into(), foreign, asked: None, extents: None }
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

    /// Lines of versions that wrote outputs of one file only.
    #[test]
    fn a_line_without_extents_is_read() {
        let json = r#"{"event":"job","output":"a.raw","source":"s","foreign":false}"#;
        let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        let history = History::read(line.as_bytes());
        assert!(history.is_ours("a.raw") && history.damaged == 0);
        assert_eq!(
            encode(&job("a.raw", false)),
            line,
            "and an older version reads the line of such an output"
        );
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
        assert_eq!(error.code().id, "batch.locked");
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        drop(journal);
        assert_eq!(
            Journal::open(folder.path(), ExistingJournal::Refuse).unwrap_err().code().id,
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

//! The state of a batch after earlier runs, from its journal.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use imgprep::Detail;

use super::event::{Asked, Event, Extents, Finished, JOURNAL_NAME, decode};
use crate::BatchError;
use crate::plan::jobs::Job;

/// The state of a batch after earlier runs.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// All outputs that were announced, and whether another file of that name existed before.
    foreign: HashMap<String, bool>,
    pub(crate) finished: HashMap<String, Finished>,
    /// Extents that existed before, by the first extent of their output.
    foreign_extents: HashMap<PathBuf, HashSet<PathBuf>>,
    /// The options of each output, if the journal contains them.
    asked: HashMap<String, Asked>,
    /// Lines that are damaged.
    pub(crate) damaged: usize,
}

impl History {
    /// Whether the file of this name was written by this batch.
    pub(crate) fn is_ours(&self, output: &str) -> bool {
        self.finished.contains_key(output) || self.foreign.get(output) == Some(&false)
    }

    /// Whether all existing files of an output were written by this batch, so that they may be replaced.
    pub(crate) fn may_replace(&self, job: &Job) -> bool {
        self.is_ours(&job.key) && self.owns_extents(job)
    }

    fn owns_extents(&self, job: &Job) -> bool {
        let Some(Extents { first, foreign: existing }) = Extents::of(job) else { return true };
        let foreign = self.foreign_extents.get(&first.0);
        existing.iter().all(|path| foreign.is_some_and(|foreign| !foreign.contains(&path.0)))
    }

    /// Whether the batch announced the output with these extents.
    pub(crate) fn is_announced(&self, job: &Job) -> bool {
        let extents = Extents::of(job);
        extents.is_none_or(|extents| self.foreign_extents.contains_key(&extents.first.0))
    }

    /// All outputs that the batch announced.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.foreign.keys().map(String::as_str)
    }

    /// The last options of each output.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (&str, &Asked)> {
        self.asked.iter().map(|(output, asked)| (output.as_str(), asked))
    }

    /// The last options of this output.
    pub(crate) fn asked_of(&self, output: &str) -> Option<&Asked> {
        self.asked.get(output)
    }

    /// Reads the journal of a folder without locking or creating it.
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
            Event::Job { output, foreign, asked, extents, .. } => {
                if let Some(Extents { first, foreign }) = extents {
                    let foreign: HashSet<PathBuf> = foreign.into_iter().map(|path| path.0).collect();
                    let known = self.foreign_extents.entry(first.0).or_insert_with(|| foreign.clone());
                    known.retain(|path| foreign.contains(path));
                }
                asked.map(|asked| self.asked.insert(output.clone(), asked));
                // An output that the batch has written once stays its own.
                let known = self.foreign.entry(output).or_insert(foreign);
                *known &= foreign;
            }
            Event::Done(finished) => {
                self.finished.insert(finished.record.output.clone(), *finished);
            }
            Event::Start { output, .. } => {
                self.finished.remove(&output);
            }
            // A file of another program appeared meanwhile.
            Event::Fail { record }
                if record
                    .error
                    .as_ref()
                    .is_some_and(|error| error.code == BatchError::OutputExists.code().id) =>
            {
                self.foreign.insert(record.output.clone(), true);
            }
            Event::Begin { .. } | Event::Fail { .. } | Event::End { .. } => {}
        }
    }
}

//! The state of a batch after earlier runs, from its journal.

use std::collections::HashMap;
use std::path::Path;

use imgprep::Detail;

use super::event::{Asked, Event, Finished, JOURNAL_NAME, decode};
use crate::BatchError;

/// The state of a batch after earlier runs.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// All outputs that were announced, and whether another file of that name existed before.
    foreign: HashMap<String, bool>,
    pub(crate) finished: HashMap<String, Finished>,
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
            Event::Job { output, foreign, asked, .. } => {
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
                    .is_some_and(|error| error.code == BatchError::OutputExists.code()) =>
            {
                self.foreign.insert(record.output.clone(), true);
            }
            Event::Begin { .. } | Event::Fail { .. } | Event::End { .. } => {}
        }
    }
}

//! What earlier runs of a batch wrote into its journal.

use std::collections::HashMap;
use std::path::Path;

use imgprep::Detail;

use super::event::{Asked, Event, Finished, JOURNAL_NAME, decode};
use crate::BatchError;

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

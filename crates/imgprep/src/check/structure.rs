//! What the tables of an image say, and what its payloads do.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use imgprep_engine::{conflicts, gaps, unpack_all};
use imgprep_map::{Class, Error, Finding, Severity};
use imgprep_policy::{Judgement, Place, rule_of_code};

use super::Depth;
use super::job::Job;
use crate::Disk;
use crate::safety::under;

/// Gaps after which the walk ends: each is a place of the disk that can't be read.
const MOST_GAPS: usize = 10_000;

impl Job<'_> {
    /// What the tables say, and with [`Depth::Payloads`] what the payloads do.
    pub(super) fn structure(&mut self, disk: &Disk) -> Result<(), Error> {
        let stack = disk.stack();
        // An encrypted image, or one marked corrupt, is told already: its walk refuses with the same words.
        let is_shut = disk.layers()[0].findings.iter().any(|finding| finding.severity == Severity::Error);
        let mut seen = Vec::new();
        gaps(stack, self.run, &mut |error| {
            seen.push(error);
            if seen.len() < MOST_GAPS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if seen.len() == MOST_GAPS {
            let fact = format!("after {MOST_GAPS} places that can't be read the walk ended");
            under("structure/unchecked", fact).into_iter().for_each(|judgement| self.keep(judgement));
        }
        let already: Vec<_> =
            disk.layers()[0].findings.iter().map(|finding| (finding.code, finding.at)).collect();
        // Where data lies in a file that was not opened nobody can say where that ends.
        let is_incomplete = !disk.unopened().is_empty() && !disk.layers()[0].companions.is_empty();
        for error in &seen {
            let is_told = already.contains(&(error.code(), error.at()));
            let is_elsewhere = is_incomplete && error.code().ends_with(".past-end");
            if !is_told && !is_elsewhere {
                self.error_of(error);
            }
        }
        let told: BTreeSet<u64> = seen.iter().filter_map(Error::at).collect();
        let walked = conflicts(stack, self.run, &mut |error| self.error_of(&error));
        walked.or_else(|error| self.absorb(error))?;
        let map = stack.layers()[0].map.as_ref();
        let mut found = |finding: Finding| {
            // An entry that the walk could not use is told once, with the part of the disk that it hits.
            let is_entry = rule_of_code(finding.code, Some(Class::Corrupt))
                .is_some_and(|rule| rule.id == "structure/table");
            if !(is_entry && finding.at.is_some_and(|at| told.contains(&at))) {
                self.finding(&finding);
            }
            if self.run.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match map.check(&stack.layers()[0].files, &mut found) {
            Ok(checked) => self.out.checked = checked,
            Err(error) => self.absorb(error)?,
        }
        if self.options.depth == Depth::Payloads && !is_shut {
            self.payloads(disk)?;
        }
        stack.sound()
    }

    fn payloads(&mut self, disk: &Disk) -> Result<(), Error> {
        let is_zvhd = disk.layers()[0].facts.format.starts_with("zvhd");
        let is_zvhd2 = disk.layers()[0].facts.format == "zvhd2";
        unpack_all(disk.stack(), self.run, &mut |piece, unpacked| {
            let odd =
                |code, severity, message: &str| Finding { code, severity, at: None, message: message.into() };
            let mut oddities = Vec::new();
            match unpacked {
                Err(error) => self.error_of(&error),
                // Only the vendor's own reader minds: rules of the format, not of its map.
                Ok(unpacked) if is_zvhd => {
                    let ending = unpacked.ending;
                    if unpacked.is_zero {
                        oddities.push(odd(
                            "zvhd.payload.zeros",
                            Severity::Warning,
                            "a block of zeros is stored",
                        ));
                    }
                    if is_zvhd2 && ending.frames == 0 && ending.is_finished {
                        let message =
                            "the zlib stream is finished: the vendor's reader takes that as an error";
                        oddities.push(odd("zvhd.payload.finished", Severity::Warning, message));
                    }
                    if ending.frames > 1 {
                        let message = "the payload is not exactly one zstd frame";
                        oddities.push(odd("zvhd.payload.frames", Severity::Warning, message));
                    }
                }
                Ok(_) => {}
            }
            for finding in oddities {
                if let Some(rule) = rule_of_code(finding.code, None) {
                    let place = Place { code: Some(finding.code), at: None, disk: Some(piece.disk.clone()) };
                    self.keep(
                        Judgement::new(rule, finding.message).with_severity(finding.severity).at(place),
                    );
                }
            }
            if self.run.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

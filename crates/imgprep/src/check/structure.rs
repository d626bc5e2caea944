//! What the tables of an image say, and what its payloads do.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use imgprep_engine::{Compared, EngineError, check_structure, check_unused, conflicts, gaps, unpack_all};
use imgprep_map::{Class, Error, Finding, Severity};
use imgprep_policy::{Judgement, Place, rule_of_code};

use super::Depth;
use super::job::Job;
use crate::Disk;
use crate::safety::under;

/// Gaps after which the walk ends: each is a place of the disk that can't be read.
const MOST_GAPS: usize = 4096;

impl Job<'_> {
    /// What the tables of the layer `index` say, and with [`Depth::Payloads`] what its payloads do.
    pub(super) fn structure(&mut self, disk: &Disk, index: usize) -> Result<(), Error> {
        let (info, layer) = (&disk.layers()[index], &disk.stack().layers()[index]);
        // An encrypted image, or one marked corrupt, is told already: its walk refuses with the same words.
        let is_shut = info.findings.iter().any(|finding| finding.severity == Severity::Error);
        let mut seen = Vec::new();
        gaps(layer, self.run, &mut |error| {
            seen.push(error);
            if seen.len() < MOST_GAPS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if seen.len() == MOST_GAPS {
            let fact = format!("after {MOST_GAPS} places that can't be read the walk ended");
            under("structure/unchecked", fact).into_iter().for_each(|judgement| self.keep(judgement));
        }
        let already: Vec<_> = info.findings.iter().map(|finding| (finding.code, finding.at)).collect();
        let told: BTreeSet<u64> = seen.iter().filter_map(Error::at).collect();
        for error in seen {
            let is_told = already.contains(&(error.code(), error.at()));
            // Where data lies in a file that was not opened nobody can say where that ends.
            let is_elsewhere = !info.is_whole() && error.code().ends_with(".past-end");
            if !is_told && !is_elsewhere {
                self.error_in_passing(error);
            }
        }
        let walked = conflicts(layer, self.run, &mut |error| self.error_in_passing(error));
        match walked {
            Ok(Compared::All) => {}
            Ok(Compared::Part) => {
                let fact = "after many bytes that are used twice the tables were not compared further";
                under("structure/unchecked", fact).into_iter().for_each(|judgement| self.keep(judgement));
            }
            Err(error) => self.absorb(error)?,
        }
        let run = self.run;
        let mut found = |finding: Finding| {
            // An entry that the walk could not use is told once, with the part of the disk that it hits.
            let is_entry = rule_of_code(finding.code, Some(Class::Corrupt))
                .is_some_and(|rule| matches!(rule.id, "structure/table" | "structure/past-end"));
            if !(is_entry && finding.at.is_some_and(|at| told.contains(&at))) {
                self.finding(&finding);
            }
            if self.run.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match check_structure(layer, run, &mut found) {
            // The numbers are those of the image that was asked about.
            Ok(checked) if index == 0 => self.out.checked = checked,
            Ok(_) => {}
            Err(error) => self.absorb(error)?,
        }
        check_unused(layer, run.interrupt, &mut |finding| self.finding(&finding))?;
        if self.run.interrupt.is_raised() {
            return Err(EngineError::Interrupted.into());
        }
        if self.options.depth == Depth::Payloads && !is_shut {
            self.payloads(disk, index)?;
        }
        disk.stack().sound()
    }

    fn payloads(&mut self, disk: &Disk, index: usize) -> Result<(), Error> {
        let format = disk.layers()[index].facts.format;
        let (is_zvhd, is_zvhd2) = (format.starts_with("zvhd"), format == "zvhd2");
        if index > 0 && disk.stack().layers()[index].map.is_stream() {
            let fact = "the payloads of a stream below another image were not unpacked";
            under("structure/unchecked", fact).into_iter().for_each(|judgement| self.keep(judgement));
        }
        unpack_all(disk.stack(), index, self.run, &mut |piece, unpacked| {
            let odd =
                |code, severity, message: &str| Finding { code, severity, at: None, message: message.into() };
            let mut oddities = Vec::new();
            match unpacked {
                Err(error) => self.error_in_passing(error),
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
                    let place = Place {
                        code: Some(finding.code),
                        disk: Some(piece.disk.clone()),
                        ..Place::default()
                    };
                    self.keep(
                        Judgement::new(rule, finding.message).with_severity(finding.severity).at(place),
                    );
                }
            }
            if self.run.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

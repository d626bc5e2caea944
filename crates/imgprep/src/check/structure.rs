//! Checks the tables and the payloads of an image.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use imgprep_engine::{
    Compared, Decompressed, EngineError, ResolvedExtent, check_structure, check_unused, conflicts,
    decompress_all, decompress_unflushed, gaps,
};
use imgprep_map::{Code, Error, Finding, Severity, Source};
use imgprep_policy::{Conversion, Place, RuleId, Violation, rule_of_finding};

use super::Depth;
use super::conversion::after;
use super::job::Job;
use crate::Disk;
use crate::codes::{self, rule_of_error};
use crate::safety::under;

/// Maximum number of gaps, which are unreadable ranges of the disk: then the walk ends.
const MAX_GAPS: usize = 4096;

impl Job<'_> {
    /// Checks the tables of the layer `index`, and with [`Depth::Payloads`] its payloads.
    pub(super) fn structure(&mut self, disk: &Disk, index: usize) -> Result<(), Error> {
        let (info, layer) = (&disk.layers()[index], &disk.stack().layers()[index]);
        // An encrypted image, or one marked corrupt, is reported already: its walk fails with the same error.
        let is_shut = info.findings.iter().any(|finding| finding.severity == Severity::Error);
        let mut seen = Vec::new();
        gaps(layer, self.run, &mut |error| {
            seen.push(error);
            if seen.len() < MAX_GAPS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if seen.len() == MAX_GAPS {
            let fact = format!("the walk ended after {MAX_GAPS} unreadable locations");
            self.keep(under(RuleId::StructureUnchecked, fact));
        }
        let already: Vec<_> = info.findings.iter().map(|finding| (finding.code, finding.at)).collect();
        let known: BTreeSet<u64> = seen.iter().filter_map(Error::at).collect();
        for error in seen {
            let is_reported = already.contains(&(error.code(), error.at()));
            // The end of a file that is not open is unknown.
            let is_past_end = rule_of_error(&error).is_some_and(|rule| rule.id == RuleId::StructurePastEnd);
            let is_elsewhere = !info.is_whole() && is_past_end;
            if !is_elsewhere {
                self.hinders(after(&error));
            }
            if !is_reported && !is_elsewhere {
                self.error_in_passing(error);
            }
        }
        let walked = conflicts(layer, self.run, &mut |error| {
            // A salvage continues, and lists them.
            self.hinders(Conversion::Salvage);
            self.error_in_passing(error);
        });
        match walked {
            Ok(Compared::All) => {}
            Ok(Compared::Part) => {
                let fact = "the tables overlap in many places and were not compared further";
                self.keep(under(RuleId::StructureUnchecked, fact));
            }
            Err(error) => {
                self.hinders(Conversion::Refused);
                self.absorb(error)?;
            }
        }
        let run = self.run;
        let mut found = |finding: Finding| {
            // An invalid entry is reported once, with the affected range of the disk.
            let rule = rule_of_finding(finding.code, Severity::Error);
            let is_entry = matches!(rule.id, RuleId::StructureTable | RuleId::StructurePastEnd);
            if !(is_entry && finding.at.is_some_and(|at| known.contains(&at))) {
                self.finding(&finding);
            }
            self.go_on()
        };
        match check_structure(layer, run, &mut found) {
            // The numbers are those of the top layer.
            Ok(checked) if index == 0 => self.out.counts = checked,
            Ok(_) => {}
            Err(error) => self.absorb(error)?,
        }
        check_unused(layer, run.interrupt, &mut |finding| self.finding(&finding))?;
        if self.run.interrupt.is_raised() {
            return Err(EngineError::Interrupted.into());
        }
        match self.options.depth {
            _ if is_shut => {}
            Depth::Payloads => self.payloads(disk, index)?,
            Depth::Tables if info.facts.format.starts_with("zvhd") => self.finished_payload(disk, index)?,
            Depth::Tables => {}
        }
        disk.stack().verify_mapping()
    }

    fn payloads(&mut self, disk: &Disk, index: usize) -> Result<(), Error> {
        let format = disk.layers()[index].facts.format;
        if index > 0 && disk.stack().layers()[index].map.is_stream() {
            let fact = "the payloads of a parent stream were not decompressed";
            self.keep(under(RuleId::StructureUnchecked, fact));
        }
        decompress_all(disk.stack(), index, self.run, &mut |extent, decompressed| {
            match decompressed {
                Err(error) => {
                    self.hinders(after(&error));
                    self.error_in_passing(error);
                }
                Ok(decompressed) if format.starts_with("zvhd") => self.zvhd_payload(extent, decompressed),
                Ok(_) => {}
            }
            self.go_on()
        })
    }

    /// Finds the first finished zlib stream in a format that does not allow it: the vendor's reader rejects such a file. This
    /// is checked at every depth.
    fn finished_payload(&mut self, disk: &Disk, index: usize) -> Result<(), Error> {
        decompress_unflushed(disk.stack(), index, self.run, &mut |extent, decompressed| {
            if !decompressed.is_ok_and(|decompressed| is_finished(&decompressed)) {
                return self.go_on();
            }
            self.zvhd_finding(extent, codes::ZVHD_PAYLOAD_FINISHED, Severity::Error, FINISHED);
            ControlFlow::Break(())
        })
    }

    /// Checks rules that only the vendor's reader enforces: they concern the format, not its map.
    fn zvhd_payload(&mut self, extent: &ResolvedExtent, decompressed: Decompressed) {
        if is_finished(&decompressed) {
            self.zvhd_finding(extent, codes::ZVHD_PAYLOAD_FINISHED, Severity::Error, FINISHED);
        }
        if decompressed.is_zero {
            let message = "a block of zeros is stored";
            self.zvhd_finding(extent, codes::ZVHD_PAYLOAD_ZEROS, Severity::Warning, message);
        }
        if decompressed.ending.frames > 1 {
            // The vendor's reader accepts them, too.
            let message = "the payload has several zstd frames, expected one as the vendor's writer stores";
            self.zvhd_finding(extent, codes::ZVHD_PAYLOAD_FRAMES, Severity::Note, message);
        }
    }

    fn zvhd_finding(
        &mut self,
        extent: &ResolvedExtent,
        code: &'static Code,
        severity: Severity,
        message: &str,
    ) {
        let rule = rule_of_finding(code, severity);
        let at = match &extent.source {
            Source::Compressed { at, .. } => Some(*at),
            _ => None,
        };
        let place = Place { code: Some(code), at, disk: Some(extent.disk.clone()), ..Place::default() };
        self.keep(Violation::new(rule, message).with_severity(severity).at(place));
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.run.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The message about a finished stream.
const FINISHED: &str = "the zlib stream is finished: the vendor's reader rejects the file";

/// Whether a zlib stream is complete with its checksum. For zstd, frames are counted.
fn is_finished(decompressed: &Decompressed) -> bool {
    decompressed.ending.frames == 0 && decompressed.ending.is_finished
}

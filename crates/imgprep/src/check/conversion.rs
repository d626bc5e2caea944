//! Determines whether a conversion can read the file: only then it is suggested as a remedy.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use imgprep_catalog::by_name;
use imgprep_engine::{conflicts, gaps};
use imgprep_map::{Error, ParentRef, ParseOptions};
use imgprep_open::{ChainError, DetectedFile, Mismatch, Named, OpenOptions, ProbedFile, open_detected};
use imgprep_policy::{Conversion, Kind, RuleId, created_names};

use super::job::Job;
use crate::Disk;
use crate::codes::rule_of_error;
use crate::safety::outside;

/// The conversion that is possible despite an error of a walk.
pub(super) fn after(error: &Error) -> Conversion {
    let rule = rule_of_error(error);
    match error.disk() {
        // A conversion opens the file that the check did not open.
        _ if rule.is_some_and(|rule| rule.id == RuleId::StructureNotOpened) => Conversion::Whole,
        Some(_) => Conversion::Salvage,
        None => Conversion::Refused,
    }
}

impl Job<'_> {
    /// Records an error that affects a conversion, too.
    pub(super) fn hinders(&mut self, conversion: Conversion) {
        self.conversion = self.conversion.max(conversion);
    }

    /// The conversion that is possible after the walks over a disk.
    pub(super) fn conversion_of(&self, disk: &Disk) -> Conversion {
        let is_locked = disk.layers().iter().any(|layer| layer.facts.encryption.is_some());
        // A conversion rejects a parent that does not match.
        let is_mixed = self.out.violations.iter().any(|found| found.rule.id == RuleId::StructureParent);
        let is_part = self.subject.from.is_none() && is_part(self.path) && disk.layers().len() == 1;
        let is_missing = disk.unopened().iter().any(|named| !is_beside(self.path, named, disk));
        if is_locked || is_mixed || is_missing || is_part && self.subject.kind == Kind::Disk("raw".into()) {
            return Conversion::Refused;
        }
        self.conversion
    }

    /// The conversion that is possible if the file cannot be opened: some errors do not prevent a salvage.
    pub(super) fn conversion_of_unopened(&self, file: DetectedFile) -> Conversion {
        let parse = ParseOptions { salvage: true, ..self.options.open.parse.clone() };
        match self.walked(file, OpenOptions { parse, ..self.options.open.clone() }) {
            Conversion::Refused => Conversion::Refused,
            Conversion::Salvage | Conversion::Whole => Conversion::Salvage,
        }
    }

    /// The first format of an ambiguous file with which it can be converted, and that conversion.
    pub(super) fn choice(&self, file: &ProbedFile) -> (Option<String>, Conversion) {
        let readable = file.matches.iter().filter(|found| found.is_readable());
        let mut choices = readable.filter_map(|found| {
            let detected = file.detect(by_name(found.name)).ok()?;
            let conversion = self.walked(detected, self.options.open.clone());
            (conversion == Conversion::Whole).then(|| (Some(found.name.to_string()), conversion))
        });
        choices.next().unwrap_or_default()
    }

    /// Opens the chain of a file with these options and walks the tables of all its layers.
    fn walked(&self, file: DetectedFile, open: OpenOptions) -> Conversion {
        let open = OpenOptions { mismatch: Mismatch::Refuse, ..open };
        let Ok(disk) = open_detected(file, &open).map(Disk::from_chain) else { return Conversion::Refused };
        if disk.unopened().iter().any(|named| !is_beside(self.path, named, &disk)) {
            return Conversion::Refused;
        }
        let mut worst = Conversion::Whole;
        for layer in disk.stack().layers() {
            let walked = gaps(layer, self.run, &mut |error| {
                worst = worst.max(after(&error));
                if worst == Conversion::Refused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let held = conflicts(layer, self.run, &mut |_| worst = worst.max(Conversion::Salvage));
            if walked.and(held).is_err() {
                return Conversion::Refused;
            }
        }
        worst
    }

    /// The existing files among those that a remedy may create.
    pub(super) fn taken(&self) -> Vec<PathBuf> {
        let forbidden = self.options.profile.as_ref().map_or("", |profile| &profile.forbidden_in_names);
        let mut names = created_names(self.path, forbidden);
        names.retain(|name| std::fs::symlink_metadata(name).is_ok());
        names
    }
}

/// Whether the file that an image names, and that was not opened under `FollowPolicy::None`, exists next to the image. Its
/// contents are not known.
fn is_beside(image: &Path, named: &Named, disk: &Disk) -> bool {
    let parent = disk.layers().first().and_then(|layer| layer.parent.as_ref());
    let is_known =
        |parent: &ParentRef| parent.format.as_deref().is_none_or(|format| by_name(format).is_some());
    let has_identity = parent.is_some_and(|parent| !parent.identities.is_empty());
    let exists = |name: &str| {
        let is_own = image.file_name().is_some_and(|own| own == name);
        !is_own && outside(name.as_bytes()).is_none() && image.with_file_name(name).is_file()
    };
    // A parent that is known by its identity is also searched by the last component of its name.
    let last = named.name.rsplit(['/', '\\']).next().unwrap_or_default();
    matches!(named.reason.detail(), Some(ChainError::Shut { .. }))
        && parent.is_none_or(is_known)
        && (exists(&named.name) || has_identity && exists(last))
}

/// Whether a name is that of a part of a VMDK, which is no disk by itself.
fn is_part(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let last = stem.rsplit('-').next().filter(|last| last.len() < stem.len()).unwrap_or_default();
    let is_numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_vmdk = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("vmdk"));
    is_vmdk
        && (matches!(last, "flat" | "delta" | "ctk" | "sesparse")
            || last.strip_prefix(['f', 's']).is_some_and(is_numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_vmdk_are_known_by_their_names() {
        for name in ["a-flat.vmdk", "a b-f001.VMDK", "a-S012.vmdk", "a-delta.vmdk", "a-ctk.vmdk"] {
            assert!(is_part(name.as_ref()), "{name}");
        }
        for name in ["flat.vmdk", "a-flat.raw", "a-s.vmdk", "a-s1x.vmdk", "a-000001.vmdk", "a.vmdk"] {
            assert!(!is_part(name.as_ref()), "{name}");
        }
    }
}

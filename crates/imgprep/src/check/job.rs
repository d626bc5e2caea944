//! The check of one file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_catalog::{DetectError, Format};
use imgprep_engine::{BitmapShape, CHUNK, EngineError, Losses, Options, scan, scan_tables};
use imgprep_io::{ImageFile, SourceFile};
use imgprep_map::{Class, Error, Facts, Finding, ReadAt as _, Severity, Value};
use imgprep_open::{DetectedFile, FollowPolicy, ProbedFile, open_detected, open_given};
use imgprep_policy::{
    BitmapFile, Boot, Conversion, Kind, Place, Profile, RuleId, Sectors, Subject, Violation, judge,
    rule_of_finding,
};

use super::inside::inside;
use super::{CheckOptions, CheckedFile};
use crate::codes::rule_of_error;
use crate::file_kind::kind_of;
use crate::optimize::is_rewritable;
use crate::safety::{names, under};
use crate::{Disk, LayerInfo, RequestError, descriptor_beside, remedy};

/// Violations of one rule that are kept; the others are counted.
const KEPT: u64 = 100;

/// The number of violations by rule and severity, so that many warnings do not displace an error of the same rule.
#[derive(Default)]
pub(super) struct Kept(BTreeMap<(RuleId, Severity), u64>);

impl Kept {
    /// Counts a violation, and returns whether it is kept.
    fn takes(&mut self, rule: RuleId, severity: Severity) -> bool {
        let count = self.0.entry((rule, severity)).or_default();
        *count += 1;
        *count <= KEPT
    }

    /// The violations that were counted but not kept.
    pub(super) fn left_out(&self) -> BTreeMap<(RuleId, Severity), u64> {
        let beyond =
            |(key, count): (&_, &u64)| Some((*key, count.checked_sub(KEPT).filter(|more| *more > 0)?));
        self.0.iter().filter_map(beyond).collect()
    }
}

pub(super) struct Job<'a> {
    pub(super) path: &'a Path,
    pub(super) options: &'a CheckOptions,
    pub(super) run: &'a Options<'a>,
    pub(super) out: CheckedFile,
    pub(super) kept: Kept,
    /// The file that is being checked, if it is not the top layer.
    pub(super) layer: Option<String>,
    /// The facts about the file.
    pub(super) subject: Subject,
    /// The conversion that is possible according to the walks.
    pub(super) conversion: Conversion,
    /// The violations of the profile.
    imported: Vec<Violation>,
}

impl<'a> Job<'a> {
    pub(super) fn new(path: &'a Path, options: &'a CheckOptions, run: &'a Options<'a>) -> Self {
        Self {
            path,
            options,
            run,
            out: CheckedFile::new(path),
            kept: Kept::default(),
            layer: None,
            subject: subject(path, options),
            conversion: Conversion::Whole,
            imported: Vec::new(),
        }
    }

    /// The result, with the remedies that apply to the file.
    pub(super) fn finish(mut self) -> CheckedFile {
        self.out.more = self.kept.left_out();
        let found = std::mem::take(&mut self.out.violations);
        if found.iter().any(|violation| !violation.rule.remedies.is_empty()) {
            self.subject.taken = self.taken();
        }
        self.out.violations = found.into_iter().map(|violation| violation.remedied(&self.subject)).collect();
        self.out.violations.append(&mut self.imported);
        self.out.violations.sort_by_key(|violation| std::cmp::Reverse(violation.severity));
        self.out
    }

    /// Opens and checks the file.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        let file = open_given(self.path, &self.options.open)?;
        self.run_opened(&file)
    }

    /// Checks a file that is open.
    fn run_opened(&mut self, file: &Arc<dyn ImageFile>) -> Result<(), Error> {
        self.begin(&**file);
        let (name, file) = (self.out.name.clone(), Arc::clone(file));
        match ProbedFile::probe(name.clone(), Arc::clone(&file)) {
            Ok(probed) => self.run_probed(&probed),
            Err(error) => self.undetected(&ProbedFile { name, file, matches: Vec::new() }, error),
        }
    }

    fn run_probed(&mut self, file: &ProbedFile) -> Result<(), Error> {
        match file.detect(self.options.open.from) {
            Ok(detected) => self.run_detected(detected),
            Err(error) => self.undetected(file, error),
        }
    }

    /// Checks the file of a disk that is open. Its format is decided again only if the caller selected another one.
    pub(super) fn run_disk(&mut self, disk: &Disk) -> Result<(), Error> {
        let top = disk.top_file();
        let name = |format: Option<&'static Format>| format.map(|format| format.name);
        self.begin(&*top.file);
        if name(top.from) != name(self.options.open.from) {
            let (name, matches) = (self.out.name.clone(), top.detection.matches.clone());
            return self.run_probed(&ProbedFile { name, file: Arc::clone(&top.file), matches });
        }
        self.run_detected(DetectedFile { name: self.out.name.clone(), ..top.clone() })
    }

    fn begin(&mut self, file: &dyn ImageFile) {
        self.subject.file_len = file.len();
        self.out.file_len = Some(file.len());
    }

    fn run_detected(&mut self, file: DetectedFile) -> Result<(), Error> {
        let format = file.detection.format.name;
        self.out.format = Some(format.into());
        self.subject.kind = Kind::Disk(format.into());
        if format != imgprep_raw::NAME && self.options.open.from.is_none() {
            self.subject.from = None;
        }
        match open_detected(file.clone(), &self.options.open) {
            Ok(chain) => self.disk(&Disk::from_chain(chain)),
            Err(error) => {
                self.subject.broken = Some(error.to_string());
                self.subject.conversion = self.conversion_of_unopened(file);
                self.error(error);
                self.judge();
                Ok(())
            }
        }
    }

    /// Judges a file that is not of a readable format.
    fn undetected(&mut self, probed: &ProbedFile, error: Error) -> Result<(), Error> {
        let name = self.out.name.clone();
        // A page that could not be read is no fault of the image.
        probed.file.verify_mapping().map_err(|error| Error::new(error).in_path(&name))?;
        self.subject.kind = kind_of(&error);
        self.out.format = Some(self.subject.kind.name().into());
        if self.subject.kind != Kind::Iso && !matches!(self.subject.kind, Kind::Unread(_)) {
            self.subject.broken = Some(error.to_string());
        }
        if matches!(error.detail(), Some(DetectError::Ambiguous { .. })) {
            (self.subject.from, self.subject.conversion) = self.choice(probed);
        }
        self.error(error.in_path(name));
        self.judge();
        Ok(())
    }

    fn disk(&mut self, disk: &Disk) -> Result<(), Error> {
        // OK: a disk has at least the layer that the user named.
        let top = &disk.layers()[0];
        self.out.size = Some(disk.size());
        for (index, layer) in disk.layers().iter().enumerate() {
            self.layer = (index > 0).then(|| layer.name.clone());
            self.judge_findings(layer, index + 1 < disk.layers().len());
        }
        self.layer = None;
        for unopened in disk.unopened() {
            // Names are not followed because of the policy; the names themselves are checked above.
            if unopened.reason.class() == Class::Corrupt {
                self.error_of(&unopened.reason);
            } else if unopened.reason.class() == Class::Io && self.out.error.is_none() {
                // A part that should be opened is missing.
                self.out.error = disk.check_complete().err();
            }
        }
        if disk.is_in_use() {
            return Err(Error::new(RequestError::InUse).in_path(&self.out.name));
        }
        for (index, layer) in disk.layers().iter().enumerate() {
            self.layer = (index > 0).then(|| layer.name.clone());
            self.structure(disk, index)?;
        }
        self.layer = None;
        describe(&mut self.subject, disk, &top.facts);
        if top.facts.encryption.is_none() {
            let inside = inside(disk);
            inside.violations.into_iter().for_each(|violation| self.keep(violation));
            inside.findings.iter().for_each(|finding| self.disk_finding(finding));
            self.subject.sectors = inside.sectors;
            (self.subject.boot, self.subject.locked) = (inside.boot, inside.locked);
        }
        if let (Some(shape), BitmapFile::Present) = (self.options.bitmap, &self.subject.bitmap)
            && let Some(flaw) = self.bitmap_flaw(disk, shape)?
        {
            self.subject.bitmap = BitmapFile::Differs(flaw);
        }
        disk.check_unchanged()?;
        self.subject.broken = self.broken();
        self.subject.rewrite = self.rewrite();
        self.subject.conversion = self.conversion_of(disk);
        self.subject.is_rewritable = is_rewritable(disk);
        self.judge();
        Ok(())
    }

    /// Adds the findings of an open layer, and those about the names in it.
    fn judge_findings(&mut self, layer: &LayerInfo, has_parent: bool) {
        for finding in &layer.findings {
            self.finding(finding);
        }
        let path = layer.path().unwrap_or(self.path).to_path_buf();
        for violation in names(layer, if self.layer.is_none() { self.path } else { &path }, has_parent) {
            self.keep(violation);
        }
        let is_reported = layer
            .findings
            .iter()
            .any(|finding| rule_of_finding(finding.code, finding.severity).id == RuleId::SafetyEncrypted);
        if let Some(encryption) = layer.facts.encryption.filter(|_| !is_reported) {
            self.keep(under(RuleId::SafetyEncrypted, format!("the payload is encrypted ({encryption})")));
        }
    }

    /// Scans the disk and compares the bitmap next to it.
    fn bitmap_flaw(&self, disk: &Disk, shape: BitmapShape) -> Result<Option<String>, Error> {
        let Some(extension) = self.options.profile.as_ref().and_then(Profile::bitmap_extension) else {
            return Ok(None);
        };
        let path = self.path.with_extension(extension);
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file =
            SourceFile::open(&path, self.options.open.source).map_err(|error| in_path(error.into()))?;
        let table_scan = scan_tables(disk.stack(), CHUNK, CHUNK, self.run)?;
        let losses = Losses::default();
        let bitmap = scan(disk.stack(), &table_scan, shape, self.run, &losses)?;
        let flaw = bitmap.flaw(&file).map_err(in_path)?;
        file.verify_mapping().map_err(|error| in_path(error.into()))?;
        Ok(flaw)
    }

    /// The reason why a conversion would reject the image.
    fn broken(&self) -> Option<String> {
        let is_fatal = |violation: &&Violation| {
            let id = violation.rule.id;
            let is_doubtful = matches!(
                id,
                RuleId::StructureRefcount
                    | RuleId::StructureCopied
                    | RuleId::StructureBitmap
                    | RuleId::StructureVendorLayout
            );
            let is_hostile =
                matches!(id, RuleId::SafetyOutsidePath | RuleId::SafetyTableSize | RuleId::SafetyLimit);
            violation.severity == Severity::Error && !is_doubtful && (id.group() == "structure" || is_hostile)
        };
        let first = self.out.violations.iter().find(is_fatal)?;
        // Then the format is valid, but its contents are not.
        let what =
            if first.place.is_on_disk { "the disk is incomplete" } else { "the image cannot be converted" };
        Some(format!("{what} ({}): {}", first.rule.id, first.fact))
    }

    /// The violations because of which the import would reject the image, and that a conversion removes.
    fn rewrite(&self) -> Vec<Violation> {
        let is_one = |violation: &&Violation| {
            violation.severity == Severity::Error && violation.rule.id == RuleId::StructureVendorLayout
        };
        self.out.violations.iter().filter(is_one).cloned().collect()
    }

    fn judge(&mut self) {
        let Some(profile) = &self.options.profile else { return };
        self.subject.taken = self.taken();
        let report = judge(profile, &self.subject, &self.options.intent);
        // Its levels were applied before the routes were judged.
        self.imported = report.violations;
        self.out.routes = report.routes;
        self.out.exports = report.exports;
    }

    /// Handles the error of a walk: a violation of the image, or the reason why it cannot be checked.
    pub(super) fn absorb(&mut self, error: Error) -> Result<(), Error> {
        if let Some(EngineError::Interrupted) = error.detail::<EngineError>() {
            return Err(error);
        }
        self.error(error);
        Ok(())
    }

    pub(super) fn error(&mut self, error: Error) {
        if rule_of_error(&error).is_some() {
            self.error_of(&error);
        } else {
            self.out.error = Some(error);
        }
    }

    /// Handles an error after which a walk continued. If it is no violation, the image cannot be checked completely.
    pub(super) fn error_in_passing(&mut self, error: Error) {
        if self.out.error.is_none() {
            self.error(error);
        } else {
            self.error_of(&error);
        }
    }

    pub(super) fn error_of(&mut self, error: &Error) {
        let Some(rule) = rule_of_error(error) else { return };
        let file = error.path().filter(|path| *path != self.out.name).map(String::from);
        let place =
            Place { code: Some(error.code()), file, at: error.at(), disk: error.disk(), is_on_disk: false };
        let violation = Violation { hint: error.hint(), ..Violation::new(rule, error.what()).at(place) };
        // The remedy of the rule is to repeat the check with a format.
        let own = if is_undecided(error) { None } else { remedy(error) };
        self.keep(match own {
            Some(remedy) => Violation { remedy: Some(remedy), ..violation },
            None => violation,
        });
    }

    /// A finding about the structure of the image.
    pub(super) fn finding(&mut self, finding: &Finding) {
        self.finding_at(finding, Place::default());
    }

    /// A finding about the contents of the disk.
    pub(super) fn disk_finding(&mut self, finding: &Finding) {
        self.finding_at(finding, Place { is_on_disk: true, ..Place::default() });
    }

    fn finding_at(&mut self, finding: &Finding, place: Place) {
        let rule = rule_of_finding(finding.code, finding.severity);
        let place = Place { code: Some(finding.code), at: finding.at, ..place };
        // Parsers report an unreadable feature as an error and a readable one as a warning. Here it is a fact about the
        // image.
        let is_fact = matches!(
            rule.id,
            RuleId::SafetyEncrypted | RuleId::SafetyDescriptorLine | RuleId::StructureNotOpened
        );
        let severity = if is_fact { rule.severity } else { finding.severity };
        // The text of some findings is that of an error with its code, which is reported separately.
        let text = finding.message.split(&format!(" [{}", finding.code)).next().unwrap_or_default();
        self.keep(Violation::new(rule, text).with_severity(severity).at(place));
    }

    pub(super) fn keep(&mut self, violation: Violation) {
        let Some(mut violation) = self.options.intent.levels.apply(violation) else { return };
        if !self.kept.takes(violation.rule.id, violation.severity) {
            return;
        }
        let file = violation.place.file.take().or_else(|| self.layer.clone());
        let file = file.map(|file| beside(self.path, Path::new(&file)));
        violation.place.file = file.as_ref().map(|file| file.display().to_string());
        self.out.violations.push(violation);
    }
}

/// The facts about a file before it is opened.
fn subject(path: &Path, options: &CheckOptions) -> Subject {
    let extension = options.profile.as_ref().and_then(Profile::bitmap_extension);
    let is_flat = path.to_string_lossy().to_ascii_lowercase().ends_with("-flat.vmdk");
    // The data of a flat VMDK is a RAW disk, except for its name.
    let from = options.open.from.map(|format| format.name).or(is_flat.then_some(imgprep_raw::NAME));
    Subject {
        path: path.to_path_buf(),
        file_len: 0,
        kind: Kind::Disk("raw".into()),
        virtual_size: None,
        encryption: None,
        parent: None,
        associated_files: Vec::new(),
        create_type: None,
        bitmap: extension.map_or(BitmapFile::Missing, |extension| bitmap_beside(path, extension)),
        boot: Boot::default(),
        sectors: Sectors::default(),
        locked: Vec::new(),
        broken: None,
        conversion: Conversion::Refused,
        is_rewritable: false,
        from: from.map(String::from),
        is_followed_anywhere: options.open.follow == FollowPolicy::Any,
        taken: Vec::new(),
        rewrite: Vec::new(),
    }
}

/// Whether only the user can select the format, because no other file determines it.
fn is_undecided(error: &Error) -> bool {
    error.detail::<DetectError>().is_some_and(DetectError::is_undecided) && descriptor_beside(error).is_none()
}

/// Adds the facts that profiles check.
fn describe(subject: &mut Subject, disk: &Disk, facts: &Facts) {
    // OK: as in `Job::disk`.
    let top = &disk.layers()[0];
    subject.virtual_size = Some(disk.size());
    subject.encryption = facts.encryption.map(|encryption| encryption.to_string());
    subject.parent = top.parent.as_ref().map(imgprep_map::ParentRef::label);
    let name = |associated: &imgprep_map::FileRef| {
        associated.name.as_ref().map_or(String::new(), ToString::to_string)
    };
    subject.associated_files = top.associated_files.iter().map(name).collect();
    subject.create_type = facts.details.iter().find_map(|(key, value)| match (*key, value) {
        ("create-type", Value::Text(text)) => Some(text.clone()),
        _ => None,
    });
}

/// The path of a file relative to the checked one, if both are in the same folder.
fn beside(asked: &Path, file: &Path) -> PathBuf {
    let folder = asked.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) if file.parent() == Some(&folder) => asked.with_file_name(name),
        _ => file.to_path_buf(),
    }
}

/// The state of the file next to an image with this extension. It is not opened.
fn bitmap_beside(path: &Path, extension: &str) -> BitmapFile {
    let times = |path: &Path| std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?)));
    match (times(path), times(&path.with_extension(extension))) {
        (_, Err(_)) => BitmapFile::Missing,
        (_, Ok((0, _))) => BitmapFile::Empty,
        (Ok((_, image)), Ok((_, bitmap))) if bitmap < image => BitmapFile::Older,
        _ => BitmapFile::Present,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_warnings_of_a_rule_do_not_hide_its_first_error() {
        let mut kept = Kept::default();
        let warnings = (0..500).filter(|_| kept.takes(RuleId::StructurePayload, Severity::Warning)).count();
        assert_eq!(warnings as u64, KEPT);
        assert!(kept.takes(RuleId::StructurePayload, Severity::Error));
        assert_eq!(kept.left_out(), BTreeMap::from([((RuleId::StructurePayload, Severity::Warning), 400)]));
    }
}

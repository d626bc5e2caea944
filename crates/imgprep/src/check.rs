//! One file under all rules: what it says, what it hides, whether it can be imported.
//!
//! Nothing here prints and nothing stops at the first finding. Only the file itself is
//! opened (unless the gate says otherwise), and beside a RAW its bitmap is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use imgprep_catalog::{DetectError, detect};
use imgprep_engine::{
    BitmapShape, EngineError, Losses, Options, conflicts, each, gaps, head, scan, survey, unpack_all,
};
use imgprep_io::SourceFile;
use imgprep_map::{Checked, Class, Error, Facts, Finding, Layout as _, ReadAt as _, Severity, Value};
use imgprep_open::OpenOptions;
use imgprep_policy::{
    BitmapFile, Boot, Judgement, Kind, Levels, Place, Profile, RouteVerdict, Subject, Wish, judge,
    rule_of_code,
};
use imgprep_raw::RawLayout;

use crate::folder::kind_of;
use crate::safety::{names, nested, under};
use crate::{Disk, FaceError, boot};

/// Judgements of one rule that are kept; the others are counted.
const KEPT: u64 = 100;

/// Gaps after which the walk ends: each is a place of the disk that can't be read.
const MOST_GAPS: usize = 100_000;

/// How far a check goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Headers and tables.
    #[default]
    Tables,
    /// Every packed payload is unpacked, too.
    Payloads,
}

/// What is checked.
#[derive(Clone)]
pub struct CheckOptions {
    /// How the file is opened. With [`Gate::None`](crate::Gate::None) no other file is.
    pub open: OpenOptions,
    /// The rules of an import.
    pub profile: Option<Profile>,
    /// What the image shall be; its levels hold for all rules.
    pub wish: Wish,
    /// How far it goes.
    pub depth: Depth,
    /// The layout of the bitmap beside a RAW, if its contents shall be held against the disk.
    pub bitmap: Option<BitmapShape>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing that matters.
    Fine,
    /// Only leaks, or only warnings where these are denied.
    Warnings,
    /// It could not be done.
    Undone,
    /// Errors.
    Violations,
}

/// A file that was checked.
#[derive(Debug)]
pub struct CheckedFile {
    /// Its name.
    pub name: String,
    /// Its format, where that is known.
    pub format: Option<String>,
    /// Length of the file, in bytes.
    pub file_len: Option<u64>,
    /// Length of the disk, in bytes.
    pub size: Option<u64>,
    /// What was found, worst first.
    pub judgements: Vec<Judgement>,
    /// By rule: findings beyond those that are kept.
    pub more: BTreeMap<&'static str, u64>,
    /// Ways in, where a profile was asked.
    pub routes: Vec<RouteVerdict>,
    /// The numbers of the structure check.
    pub checked: Checked,
    /// Why it could not be checked to the end, if that was not the image's fault.
    pub error: Option<Error>,
}

impl CheckedFile {
    /// A name under which nothing could be checked.
    pub fn undone(path: &Path, error: Error) -> Self {
        Self { error: Some(error), ..Self::new(path) }
    }

    fn new(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            format: None,
            file_len: None,
            size: None,
            judgements: Vec::new(),
            more: BTreeMap::new(),
            routes: Vec::new(),
            checked: Checked::default(),
            error: None,
        }
    }

    /// How the check ended.
    pub fn outcome(&self, levels: &Levels) -> Outcome {
        let has = |severity| self.judgements.iter().any(|judgement| judgement.severity == severity);
        let has_leaks = self.judgements.iter().any(|judgement| judgement.rule.id == "structure/leak");
        match () {
            () if has(Severity::Error) => Outcome::Violations,
            () if self.error.is_some() => Outcome::Undone,
            () if has_leaks || (levels.deny_warnings && has(Severity::Warning)) => Outcome::Warnings,
            () => Outcome::Fine,
        }
    }
}

/// Checks many files at once, each on one thread; `done` is called in their order.
pub fn each_file<F: AsRef<Path> + Send>(
    files: Vec<F>,
    options: &CheckOptions,
    run: &Options<'_>,
    done: impl FnMut(CheckedFile) -> Result<(), Error>,
) -> Result<(), Error> {
    if files.len() <= 1 {
        return files.iter().map(|file| check(file.as_ref(), options, run)).try_for_each(done);
    }
    let (threads, interrupt) = (run.threads, run.interrupt);
    let memory = run.memory / threads.get() as u64;
    each(
        threads,
        interrupt,
        files,
        |file| {
            let meter = imgprep_engine::Meter::default();
            let alone = Options {
                threads: std::num::NonZeroUsize::MIN,
                memory,
                on_loss: imgprep_engine::OnLoss::Stop,
                interrupt,
                meter: &meter,
                observe: &|_| {},
            };
            check(file.as_ref(), options, &alone)
        },
        done,
    )
}

/// Checks one file.
pub fn check(path: &Path, options: &CheckOptions, run: &Options<'_>) -> CheckedFile {
    let mut job = Job { path, options, run, out: CheckedFile::new(path), kept: BTreeMap::new() };
    if let Err(error) = job.run() {
        job.error(error);
    }
    job.out.judgements.sort_by_key(|judgement| std::cmp::Reverse(judgement.severity));
    job.out
}

struct Job<'a> {
    path: &'a Path,
    options: &'a CheckOptions,
    run: &'a Options<'a>,
    out: CheckedFile,
    kept: BTreeMap<&'static str, u64>,
}

impl Job<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let name = self.out.name.clone();
        let in_path = |error: Error| error.in_path(&name);
        let file =
            SourceFile::open(self.path, self.options.open.source).map_err(|error| in_path(error.into()))?;
        let mut subject = self.subject(&file);
        self.out.file_len = Some(file.len());
        match detect(&file, self.options.open.from) {
            Ok(detection) => {
                self.out.format = Some(detection.format.name.into());
                subject.kind = Kind::Disk(detection.format.name.into());
            }
            Err(error) => {
                subject.kind = kind_of(&error);
                self.out.format = Some(subject.kind.name().into());
                if error
                    .detail::<DetectError>()
                    .is_some_and(|error| matches!(error, DetectError::Ambiguous { .. }))
                {
                    subject.broken = Some(error.to_string());
                }
                // What a profile takes unread is not this program's to refuse.
                let is_unread = matches!(subject.kind, Kind::Unread(_));
                if is_unread {
                    self.out.error = Some(in_path(error));
                } else {
                    self.error(in_path(error));
                }
                self.judge(&subject);
                return Ok(());
            }
        }
        match imgprep_open::open_source(name.clone(), file, &self.options.open) {
            Ok(chain) => self.disk(&Disk::from_chain(chain), &mut subject),
            Err(error) => {
                subject.broken = Some(error.to_string());
                self.error(error);
                self.judge(&subject);
                Ok(())
            }
        }
    }

    fn subject(&self, file: &SourceFile) -> Subject {
        let extension = self.options.profile.as_ref().and_then(Profile::bitmap_extension);
        Subject {
            path: self.path.to_path_buf(),
            file_len: file.len(),
            kind: Kind::Disk("raw".into()),
            virtual_size: None,
            encryption: None,
            parent: None,
            companions: Vec::new(),
            create_type: None,
            bitmap: extension.map_or(BitmapFile::Missing, |extension| bitmap_beside(self.path, extension)),
            boot: Boot::default(),
            broken: None,
        }
    }

    fn disk(&mut self, disk: &Disk, subject: &mut Subject) -> Result<(), Error> {
        // OK: a disk has at least the layer that the user named.
        let top = &disk.layers()[0];
        self.out.size = Some(disk.size());
        for finding in &top.findings {
            self.finding(finding);
        }
        for judgement in names(top, self.path) {
            self.keep(judgement);
        }
        let is_told = top.findings.iter().any(|finding| finding.code.ends_with(".encrypted"));
        if let Some(encryption) = top.facts.encryption.filter(|_| !is_told) {
            let found = under("safety/encrypted", format!("the payload is encrypted ({encryption:?})"));
            found.into_iter().for_each(|judgement| self.keep(judgement));
        }
        for unopened in disk.unopened() {
            // That the gate is shut is what was asked for; the names themselves were judged above.
            if unopened.reason.class() == Class::Corrupt {
                self.error_of(&unopened.reason);
            }
        }
        if disk.is_in_use() {
            return Err(Error::new(FaceError::InUse).in_path(&self.out.name));
        }
        self.structure(disk)?;
        describe(subject, disk, &top.facts);
        if let Ok(head) = head(disk.stack(), boot::HEAD, self.run) {
            nested(&head).into_iter().for_each(|judgement| self.keep(judgement));
            subject.boot = boot::boot(&head);
        }
        if let (Some(shape), BitmapFile::Present) = (self.options.bitmap, &subject.bitmap)
            && let Some(flaw) = self.bitmap_flaw(disk, shape)?
        {
            subject.bitmap = BitmapFile::Differs(flaw);
        }
        disk.check_unchanged()?;
        subject.broken = self.broken();
        self.judge(subject);
        Ok(())
    }

    /// Scans the disk and holds the bitmap beside it against that.
    fn bitmap_flaw(&self, disk: &Disk, shape: BitmapShape) -> Result<Option<String>, Error> {
        let Some(extension) = self.options.profile.as_ref().and_then(Profile::bitmap_extension) else {
            return Ok(None);
        };
        let path = self.path.with_extension(extension);
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file =
            SourceFile::open(&path, self.options.open.source).map_err(|error| in_path(error.into()))?;
        let losses = Losses::default();
        let unit = RawLayout::new(disk.size()).unit();
        let surveyed = survey(disk.stack(), unit, self.run, &losses)?;
        let bitmap = scan(disk.stack(), &surveyed, shape, self.run, &losses)?;
        let flaw = bitmap.flaw(&file).map_err(in_path)?;
        file.sound().map_err(|error| in_path(error.into()))?;
        Ok(flaw)
    }

    /// What the tables say, and with [`Depth::Payloads`] what the payloads do.
    fn structure(&mut self, disk: &Disk) -> Result<(), Error> {
        let stack = disk.stack();
        // An encrypted image, or one marked corrupt, is told already: its walk refuses with the same words.
        let is_shut = disk.layers()[0].findings.iter().any(|finding| finding.severity == Severity::Error);
        let mut seen = Vec::new();
        gaps(stack, self.run, &mut |error| {
            seen.push(error);
            if seen.len() < MOST_GAPS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
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

    /// Why a conversion would refuse the image.
    fn broken(&self) -> Option<String> {
        let is_fatal = |judgement: &&Judgement| {
            let id = judgement.rule.id;
            let is_doubtful = matches!(id, "structure/refcount" | "structure/copied" | "structure/bitmap");
            let is_hostile = matches!(id, "safety/outside-path" | "safety/table-size" | "safety/limit");
            judgement.severity == Severity::Error
                && !is_doubtful
                && (id.starts_with("structure/") || is_hostile)
        };
        let first = self.out.judgements.iter().find(is_fatal)?;
        Some(format!("the image can't be converted ({}): {}", first.rule.id, first.fact))
    }

    fn judge(&mut self, subject: &Subject) {
        let Some(profile) = &self.options.profile else { return };
        let report = judge(profile, subject, &self.options.wish);
        for judgement in report.judgements {
            // Its levels were applied before the routes were judged.
            self.out.judgements.push(judgement);
        }
        self.out.routes = report.routes;
    }

    /// What stopped a walk: a judgement on the image, or the reason why it can't be judged.
    fn absorb(&mut self, error: Error) -> Result<(), Error> {
        if let Some(EngineError::Interrupted) = error.detail::<EngineError>() {
            return Err(error);
        }
        self.error(error);
        Ok(())
    }

    fn error(&mut self, error: Error) {
        if rule_of_code(error.code(), Some(error.class())).is_some() {
            self.error_of(&error);
        } else {
            self.out.error = Some(error);
        }
    }

    fn error_of(&mut self, error: &Error) {
        let Some(rule) = rule_of_code(error.code(), Some(error.class())) else { return };
        let place = Place { code: Some(error.code()), at: error.at(), disk: error.disk() };
        self.keep(Judgement::new(rule, error.what()).at(place));
    }

    fn finding(&mut self, finding: &Finding) {
        let class = (finding.severity == Severity::Error).then_some(Class::Corrupt);
        let Some(rule) = rule_of_code(finding.code, class) else { return };
        let place = Place { code: Some(finding.code), at: finding.at, disk: None };
        // A parser takes what it can't read for an error and what it can for a warning; here it is a fact
        // about the image.
        let is_fact =
            matches!(rule.id, "safety/encrypted" | "safety/descriptor-line" | "structure/not-opened");
        let severity = if is_fact { rule.severity } else { finding.severity };
        // Some parsers put an error's whole text into a finding: the code is told beside it.
        let text = finding.message.split(&format!(" [{}", finding.code)).next().unwrap_or_default();
        self.keep(Judgement::new(rule, text).with_severity(severity).at(place));
    }

    fn keep(&mut self, judgement: Judgement) {
        let Some(judgement) = self.options.wish.levels.apply(judgement) else { return };
        let count = self.kept.entry(judgement.rule.id).or_default();
        *count += 1;
        if *count <= KEPT {
            self.out.judgements.push(judgement.remedied(self.path));
        } else {
            *self.out.more.entry(judgement.rule.id).or_default() += 1;
        }
    }
}

/// The facts that a profile asks for.
fn describe(subject: &mut Subject, disk: &Disk, facts: &Facts) {
    // OK: as in `Job::disk`.
    let top = &disk.layers()[0];
    subject.virtual_size = Some(disk.size());
    subject.encryption = facts.encryption.map(|encryption| format!("{encryption:?}"));
    subject.parent = top.parent.as_ref().map(|parent| parent.name.to_string());
    let name =
        |companion: &imgprep_map::FileRef| companion.name.as_ref().map_or(String::new(), ToString::to_string);
    subject.companions = top.companions.iter().map(name).collect();
    subject.create_type = facts.details.iter().find_map(|(key, value)| match (*key, value) {
        ("create-type", Value::Text(text)) => Some(text.clone()),
        _ => None,
    });
}

/// What lies beside an image under its stem and this extension. It is looked at, not opened.
fn bitmap_beside(path: &Path, extension: &str) -> BitmapFile {
    let times = |path: &Path| std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?)));
    match (times(path), times(&path.with_extension(extension))) {
        (_, Err(_)) => BitmapFile::Missing,
        (_, Ok((0, _))) => BitmapFile::Empty,
        (Ok((_, image)), Ok((_, bitmap))) if bitmap < image => BitmapFile::Older,
        _ => BitmapFile::Present,
    }
}

//! Images with a byte or a field of their metadata changed: an error, a finding, or the same disk, never a panic.
//!
//! A change that converts to another disk, and of which neither the conversion nor `check --deep` reports anything, is
//! one that no check of the format can detect. The bytes where that happens are listed in [`BLIND`], with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use imgprep::{
    CheckOptions, Depth, Destination, FollowPolicy, OpenOptions, ParseOptions, Severity, SizeChoice, Value,
    check_file, convert,
};
use imgprep_map::{FileId, UseKind};
use testdata_gen::{GoodImage, Noise, good};

use crate::formats::all::mutations_blind::{BLIND, Blind, Of};
use crate::support::library::open;
use crate::support::library::{on_one_thread, to_raw};

/// Changes tried on each image; `IMGPREP_MUTATIONS` overrides the number.
const CHANGES: usize = 24;

/// A structure of an image's first file.
struct Region {
    range: Range<u64>,
    name: &'static str,
}

/// A good image in a folder, with the findings of a check and the disk that it converts to.
struct Subject<'a> {
    image: &'a GoodImage,
    folder: &'a Path,
    format: &'static str,
    of: Of,
    regions: Vec<Region>,
    /// Of a check.
    findings: BTreeSet<String>,
    /// Of a conversion.
    warnings: BTreeSet<String>,
    disk: Vec<u8>,
}

/// How a change went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Neither the check nor the conversion reports anything, and the disk is another one.
    Blind,
    /// The conversion fails or warns.
    Refused,
    /// Only the check reports it; the conversion makes another disk.
    Checked,
    /// The disk is the same.
    Same,
}

impl<'a> Subject<'a> {
    fn new(image: &'a GoodImage, folder: &'a Path) -> Self {
        let path = testdata_gen::write_files(&image.files, folder).unwrap();
        let disk = open(&path, image.snapshot).unwrap();
        let [top, below @ ..] = disk.layers() else { unreachable!("a disk has a layer") };
        let has_flag =
            |name| top.facts.details.iter().any(|(key, value)| *key == name && *value == Value::Flag(false));
        let of = match (below, has_flag("data-file-raw")) {
            ([], true) => Of::DataFile,
            ([], false) => Of::Any,
            _ => Of::Child,
        };
        let mut subject = Self {
            image,
            folder,
            format: top.facts.format,
            of,
            regions: regions(&path, image),
            findings: BTreeSet::new(),
            warnings: BTreeSet::new(),
            disk: Vec::new(),
        };
        subject.findings = subject.check();
        subject.warnings = subject.convert().unwrap_or_else(|error| panic!("{}: {error}", image.name));
        subject.disk = std::fs::read(subject.output()).unwrap();
        subject
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.image.files[0].name)
    }

    fn output(&self) -> PathBuf {
        self.folder.join("out.raw")
    }

    /// The warnings and errors of `check --deep`.
    fn check(&self) -> BTreeSet<String> {
        let options = CheckOptions {
            open: OpenOptions { parse: self.parse(), follow: FollowPolicy::Beside, ..OpenOptions::default() },
            profile: None,
            intent: imgprep::policy::CheckIntent::default(),
            depth: Depth::Payloads,
            bitmap: None,
        };
        let checked = on_one_thread(|run| check_file(&self.path(), &options, run));
        let reported = checked.violations.iter().filter(|violation| violation.severity != Severity::Note);
        let failed = checked.error.iter().map(ToString::to_string);
        reported.map(|violation| format!("{} {}", violation.rule.id, violation.fact)).chain(failed).collect()
    }

    fn parse(&self) -> ParseOptions {
        ParseOptions {
            snapshot: self.image.snapshot.map(str::to_string),
            size: SizeChoice::Original,
            ..ParseOptions::default()
        }
    }

    /// What the conversion warns of.
    fn convert(&self) -> Result<BTreeSet<String>, imgprep::Error> {
        let mut disk = open(&self.path(), self.image.snapshot)?;
        on_one_thread(|run| {
            disk.cross_check(run)?;
            disk.find_unused(run.interrupt)?;
            convert(&disk, &Destination::Path(self.output()), &to_raw(), run).map(|_| ())
        })?;
        let findings = disk.layers().iter().flat_map(|layer| &layer.findings);
        let warnings = findings.filter(|finding| finding.severity != Severity::Note);
        Ok(warnings.map(|finding| format!("{} {}", finding.code, finding.message)).collect())
    }

    /// Whether the output is the disk. One of another length may have gigabytes of zeros.
    fn is_same(&self) -> bool {
        let len = std::fs::metadata(self.output()).unwrap().len();
        len == self.disk.len() as u64 && std::fs::read(self.output()).unwrap() == self.disk
    }

    /// How a change went, and what only the check reports.
    fn outcome(&self, bytes: &[u8]) -> (Outcome, String) {
        // Some file systems flush a file that is written over, but not a new one.
        for path in [self.path(), self.output()] {
            let _ = std::fs::remove_file(path);
        }
        std::fs::write(self.path(), bytes).unwrap();
        let Ok(warnings) = self.convert() else { return (Outcome::Refused, String::new()) };
        if self.is_same() {
            return (Outcome::Same, String::new());
        }
        if !warnings.is_subset(&self.warnings) {
            return (Outcome::Refused, String::new());
        }
        match self.check().difference(&self.findings).next() {
            Some(first) => (Outcome::Checked, first.clone()),
            None => (Outcome::Blind, String::new()),
        }
    }

    /// Whether the unchanged image has a warning about a structure that counts what is wrong with it: after a change, other
    /// bytes may be wrong in the same number, which is the same warning.
    fn warns_about(&self, region: &str) -> bool {
        let is_bitmap = self.format == "vhd" && region == "a sector bitmap";
        is_bitmap && self.warnings.iter().any(|warning| warning.starts_with("vhd.bitmap.clear"))
    }

    /// The structure that a byte belongs to; nothing for the disk's own bytes.
    fn region(&self, at: u64) -> Option<(&'static str, u64)> {
        let mut around = self.regions.iter().filter(|region| region.range.contains(&at));
        match around.next() {
            Some(region) if region.name == "data" => None,
            Some(region) => Some((region.name, at - region.range.start)),
            None => Some(("between", at)),
        }
    }
}

/// The uses of an image's first file, by its map.
fn regions(path: &Path, image: &GoodImage) -> Vec<Region> {
    let parse = ParseOptions { snapshot: image.snapshot.map(str::to_string), ..ParseOptions::default() };
    let options = OpenOptions { parse, follow: FollowPolicy::Beside, ..OpenOptions::default() };
    let chain = imgprep_open::open(path, &options).unwrap();
    let top = chain.top();
    let mut regions = Vec::new();
    top.image
        .map
        .file_usage(&top.readers(), &mut |one| {
            let name = match one.kind {
                UseKind::Metadata(name) => name,
                UseKind::Data => "data",
                UseKind::Compressed | UseKind::CompressedAtMost => "payload",
            };
            if one.file == FileId::SELF {
                regions.push(Region { range: one.range, name });
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    regions.extend(flat_offsets(&image.files[0].bytes));
    // A bound of a payload may reach into what follows: the exact uses come first.
    regions.sort_by_key(|region| (region.name == "payload", region.range.start));
    regions
}

/// The offsets of the flat extents that a VMDK descriptor names: the digits after the name of the file.
fn flat_offsets(bytes: &[u8]) -> Vec<Region> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut regions = Vec::new();
    for line in text.lines().filter(|line| line.contains(" FLAT \"") && !line.ends_with('"')) {
        let digits = line.len() - line.rfind(' ').unwrap() - 1;
        let end = line.as_ptr().addr() - text.as_ptr().addr() + line.len();
        let range = (end - digits) as u64..end as u64;
        regions.push(Region { range, name: "the offset of a flat extent" });
    }
    regions
}

/// Bytes of an image's structures that are not 0, by the name of the structure.
fn places(bytes: &[u8], regions: &[Region]) -> Vec<Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for Region { range, name } in regions.iter().filter(|region| !["data", "payload"].contains(&region.name))
    {
        let range =
            usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap().min(bytes.len());
        places.entry(name).or_default().extend(range.filter(|at| bytes[*at] != 0));
    }
    places.into_values().filter(|places| !places.is_empty()).collect()
}

/// A change that depends on nothing but `choice`: where, and the bytes that are put there.
fn change(bytes: &[u8], places: &[Vec<usize>], choice: &[u8]) -> (usize, Vec<u8>) {
    const VALUES: [u64; 8] = [0, 1, u64::MAX, 1 << 63, 1 << 40, 0x7fff_ffff, 512, 0x0101_0101_0101_0101];
    let number = |from: usize| usize::from(choice[from]) << 8 | usize::from(choice[from + 1]);
    let len = bytes.len();
    let skips = !choice[8].is_multiple_of(4);
    let skip =
        |at: usize| bytes[at..].iter().position(|byte| skips && *byte != 0).map_or(at, |skip| at + skip);
    // Where structures are: the first bytes, the last page, what follows zeros anywhere, and each structure alike.
    let at = match choice[0] % 6 {
        0 => skip(number(1) % len.min(128)),
        1 => skip(number(1) % len.min(65536)),
        2 => skip(len - 1 - number(1) % len.min(4096)),
        4 | 5 if !places.is_empty() => {
            let within = &places[usize::from(choice[10]) % places.len()];
            within[(number(1) << 8 | number(3)) % within.len()]
        }
        _ => skip((number(1) << 8 | number(3)) % len),
    };
    let width = [1, 2, 4, 8][usize::from(choice[7]) % 4].min(len - at);
    if choice[9].is_multiple_of(4) {
        // One bit: what a failing memory does.
        return (at, vec![bytes[at] ^ 1 << (choice[5] % 8)]);
    }
    let value = VALUES[usize::from(choice[5]) % VALUES.len()];
    let value = if choice[6].is_multiple_of(2) { value.to_be_bytes() } else { value.to_le_bytes() };
    (at, value[..width].to_vec())
}

/// The change of one entry that `change` rarely makes: a compressed cluster of a QCOW becomes a plain one at its place.
fn plain_entry(bytes: &[u8], subject: &Subject<'_>) -> Option<(usize, Vec<u8>)> {
    let is_table = |region: &&Region| subject.format == "qcow" && region.name == "an L2 table";
    let tables = subject.regions.iter().filter(is_table);
    let bits = u32::from(bytes[32]);
    let mut entries = tables.flat_map(|table| table.range.clone().step_by(8)).map(|at| {
        let at = usize::try_from(at).unwrap();
        (at, u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap()))
    });
    let place = |entry: u64| entry & ((1 << (63 - bits)) - 1);
    let (at, entry) =
        entries.find(|(_, entry)| entry >> 63 == 1 && place(*entry).is_multiple_of(1 << bits))?;
    Some((at, place(entry).to_be_bytes().to_vec()))
}

/// A free block of a VDI becomes one of zeros.
fn zero_block(bytes: &[u8], subject: &Subject<'_>) -> Option<(usize, Vec<u8>)> {
    let is_map = |region: &&Region| subject.format == "vdi" && region.name == "the block map";
    let map = subject.regions.iter().find(is_map)?;
    let mut entries = map.range.clone().step_by(4).map(|at| usize::try_from(at).unwrap());
    entries.find(|at| bytes[*at..*at + 4] == [0xff; 4]).map(|at| (at, vec![0xfe]))
}

/// A change by 1 in either byte order, and by a sector, of each listed field, so that every row is met.
fn listed_fields(bytes: &[u8], subject: &Subject<'_>) -> Vec<(usize, Vec<u8>)> {
    let is_field = |row: &&Blind| row.format == subject.format && row.at.end - row.at.start <= 8;
    let mut changes = Vec::new();
    for row in BLIND.iter().filter(is_field) {
        let Some(region) = subject.regions.iter().find(|region| region.name == row.region) else { continue };
        for (within, bit) in [(row.at.start, 1), (row.at.start + 1, 2), (row.at.end - 1, 1)] {
            let at = usize::try_from(region.range.start + within).unwrap();
            changes.extend(bytes.get(at).map(|byte| (at, vec![byte ^ bit])));
        }
    }
    changes
}

/// A change, and how it went.
struct Change {
    format: &'static str,
    of: Of,
    region: &'static str,
    /// Offset in the structure.
    within: u64,
    outcome: Outcome,
    about: String,
}

impl Change {
    fn is_listed(&self, row: &Blind) -> bool {
        let is_of = row.of == Of::Any || row.of == self.of;
        is_of && row.format == self.format && row.region == self.region && row.at.contains(&self.within)
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} +{}: {}", self.format, self.region, self.within, self.about)
    }
}

/// Every change of one image.
fn change_all(image: &GoodImage, changes: usize) -> Vec<Change> {
    let folder = tempfile::tempdir().unwrap();
    let subject = Subject::new(image, folder.path());
    let seed = image.name.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut noise = Noise::new(seed);
    let original = &image.files[0].bytes;
    let places = places(original, &subject.regions);
    let mut direct = listed_fields(original, &subject);
    direct.extend(plain_entry(original, &subject));
    direct.extend(zero_block(original, &subject));
    let mut all = Vec::new();
    // Most places of some images are bytes of the disk: those are left out.
    let random = (0..changes * 8).map(|_| change(original, &places, &noise.bytes(11)));
    for (at, new) in direct.into_iter().chain(random) {
        let touched: Option<Vec<_>> = (at..at + new.len()).map(|at| subject.region(at as u64)).collect();
        let old = &original[at..at + new.len()];
        // The first byte that another value is written to.
        let Some(first) = old.iter().zip(&new).position(|(old, new)| old != new) else { continue };
        let Some((region, within)) = touched.map(|all| all[first]) else { continue };
        if subject.warns_about(region) {
            continue;
        }
        let mut bytes = original.clone();
        bytes[at..at + new.len()].copy_from_slice(&new);
        let (outcome, finding) = subject.outcome(&bytes);
        let about = format!("{} at {at}: {new:02x?} instead of {old:02x?} {finding}", image.name);
        all.push(Change { format: subject.format, of: subject.of, region, within, outcome, about });
        if all.len() == changes {
            break;
        }
    }
    all
}

#[test]
fn changed_field_gives_an_error_a_finding_or_the_same_disk() {
    let changes = std::env::var("IMGPREP_MUTATIONS").map_or(CHANGES, |text| text.parse().unwrap());
    let images: Vec<_> =
        good().into_iter().filter(|image| image.format != "raw" && image.files[0].bytes.len() > 8).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut all = Vec::new();
        while let Some(image) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
            all.extend(change_all(image, changes));
        }
        all
    };
    let all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let mut counts = BTreeMap::new();
    for change in &all {
        *counts.entry(change.outcome).or_insert(0) += 1;
    }
    let lines = |is_wanted: &dyn Fn(&Change) -> bool| {
        let mut lines: Vec<_> =
            all.iter().filter(|change| is_wanted(change)).map(ToString::to_string).collect();
        lines.sort();
        lines.join("\n")
    };
    println!("{counts:?}\nonly the check reports:\n{}", lines(&|change| change.outcome == Outcome::Checked));
    let is_blind = |change: &Change| change.outcome == Outcome::Blind;
    let unlisted = lines(&|change| is_blind(change) && !BLIND.iter().any(|row| change.is_listed(row)));
    assert!(unlisted.is_empty(), "another disk without a finding, and not in the list:\n{unlisted}");
    let is_met = |row: &&Blind| all.iter().any(|change| is_blind(change) && change.is_listed(row));
    let unmet: Vec<_> = BLIND.iter().filter(|row| !is_met(row)).collect();
    assert!(unmet.is_empty(), "listed as undetectable, but no change shows it: {unmet:#?}");
    assert!(counts[&Outcome::Refused] > 500, "{counts:?}");
}

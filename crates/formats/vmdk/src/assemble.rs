//! Assembly of a descriptor and its extents into one image.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use imgprep_map::{
    Error, FileId, FileRef, FileRole, Files, Finding, Image, ImageName, Needs, ParseOptions, Parsed, ReadAt,
    Severity,
};

use crate::codes;
use crate::descriptor::Descriptor;
use crate::extent_line::{Line, Storage};
use crate::facts::{Shown, facts};
use crate::layout::SECTOR;
use crate::magic::{Magic, head, magic};
use crate::map::Map;
use crate::parent::{Parent, identity};
use crate::part::{Kind, Part};
use crate::refusal::Refusal;
use crate::sparse::Sparse;
use crate::{Corrupt, Unsupported};

/// Largest supported disk size in bytes.
///
/// A grain that begins on a disk of this size ends below 2^64.
const LARGEST_DISK: u64 = u64::MAX - (1 << 31);

/// Parses a disk whose descriptor distributes it over other files.
pub(crate) fn split(descriptor: Descriptor, options: &ParseOptions) -> Result<Parsed, Error> {
    if descriptor.lines.is_empty() {
        return Err(Corrupt::NoExtents { at: descriptor.at }.into());
    }
    let (files, ids) = associated_files(&descriptor.lines);
    if files.is_empty() {
        let image = from_lines(&descriptor, Vec::new(), &ids, |_, _| Ok(None))?;
        return Ok(Parsed::Done(Box::new(image)));
    }
    let described = describe(&descriptor, files.clone())?;
    let (options, asked) = (options.clone(), files.clone());
    let resume = move |opened: &dyn Files| {
        let image = from_lines(&descriptor, asked, &ids, |line, id| {
            let Some(file) = opened.get(id) else {
                return Err(Unsupported::NotOpened { at: line.at }.into());
            };
            open_extent(file, line, &options).map_err(|error| error.in_file(id))
        })?;
        Ok(Parsed::Done(Box::new(image)))
    };
    Ok(Parsed::Needs(Needs { files, described: Box::new(described), resume: Box::new(resume) }))
}

/// The files that the lines name, without duplicates, and the file id of each line.
///
/// A file has one id only, so extents that share bytes of it are detected.
fn associated_files(lines: &[Line]) -> (Vec<FileRef>, Vec<FileId>) {
    let mut files: Vec<FileRef> = Vec::new();
    let mut places = alloc::collections::BTreeMap::new();
    let ids = lines.iter().map(|line| {
        let Some((at, name)) = &line.name else { return FileId::SELF };
        *places.entry(name.clone()).or_insert_with(|| {
            let name = Some(ImageName(name.clone()));
            let (others, encoding) = (line.others.clone(), line.encoding.clone());
            files.push(FileRef { others, encoding, ..FileRef::new(name, *at, FileRole::ExtentFile) });
            FileId::associated(files.len() - 1)
        })
    });
    let ids = ids.collect();
    (files, ids)
}

/// The image without its extents: sizes and names, but no data.
fn describe(descriptor: &Descriptor, files: Vec<FileRef>) -> Result<Image, Error> {
    let mut layout = Disk::default();
    let at = descriptor.lines.first().map_or(descriptor.at, |line| line.at);
    for line in &descriptor.lines {
        let kind = Kind::Refused(Refusal::Unsupported(Unsupported::NotOpened { at }));
        layout.add(line, FileId::SELF, kind, Vec::new())?;
        layout.show(line, None);
    }
    Ok(layout.finish(Some(descriptor), files))
}

fn from_lines(
    descriptor: &Descriptor,
    files: Vec<FileRef>,
    ids: &[FileId],
    open: impl Fn(&Line, FileId) -> Result<Option<Sparse>, Error>,
) -> Result<Image, Error> {
    let mut layout = Disk::default();
    for (line, id) in descriptor.lines.iter().zip(ids) {
        let sparse = if line.name.is_some() { open(line, *id)? } else { None };
        layout.show(line, sparse.as_ref());
        let (kind, fixed, findings) = match sparse {
            Some(sparse) => (sparse.kind, sparse.fixed, sparse.findings),
            None => (plain(line), Vec::new(), Vec::new()),
        };
        layout.add_findings(line, findings);
        layout.add(line, *id, kind, fixed)?;
    }
    Ok(layout.finish(Some(descriptor), files))
}

fn plain(line: &Line) -> Kind {
    match line.storage {
        Storage::Flat { at } => Kind::Flat { at },
        // Sparse extents are parsed by `open_extent`.
        Storage::Zero | Storage::Sparse | Storage::SeSparse => Kind::Zero,
    }
}

/// Parses the file of one line; `None` for zeros and flat extents.
fn open_extent(file: &dyn ReadAt, line: &Line, options: &ParseOptions) -> Result<Option<Sparse>, Error> {
    let head = head(file)?;
    let (found, expected) = match line.storage {
        Storage::Zero | Storage::Flat { .. } => return Ok(None),
        Storage::Sparse => (
            magic(&head).filter(|magic| *magic != Magic::Se),
            "\"KDMV\" or \"COWD\", as the descriptor declares",
        ),
        Storage::SeSparse => {
            (magic(&head).filter(|magic| *magic == Magic::Se), "0xcafebabe, as the descriptor declares")
        }
    };
    let Some(found) = found else { return Err(Corrupt::Magic { expected, found: head }.into()) };
    let mut sparse = Sparse::read(file, found, options)?;
    agree(&mut sparse, line.sectors)?;
    Ok(Some(sparse))
}

/// Compares the extent sizes of descriptor and extent file.
///
/// The size in the extent may be rounded up to whole grains. Any other difference is an error.
fn agree(sparse: &mut Sparse, sectors: u64) -> Result<(), Error> {
    let (expected, found) = (sectors, sparse.capacity / SECTOR);
    let grain = sparse.grain / SECTOR;
    if expected == found {
        return Ok(());
    }
    if expected.checked_next_multiple_of(grain) != Some(found) {
        return Err(Corrupt::ExtentSize { at: sparse.capacity_at, expected, found }.into());
    }
    if let Kind::Sparse(tables) = &mut sparse.kind {
        // OK: less than the capacity that it replaces.
        tables.capacity = expected * SECTOR;
    }
    sparse.findings.push(Finding {
        code: codes::EXTENT_ROUNDED,
        severity: Severity::Note,
        at: Some(sparse.capacity_at),
        message: format!("the extent has {found} sectors, rounded up to whole grains from {expected}"),
    });
    sparse.capacity = expected * SECTOR;
    Ok(())
}

/// A file that contains the whole disk according to its embedded descriptor.
///
/// The file name in the descriptor is ignored.
pub(crate) fn monolithic(mut sparse: Sparse, descriptor: &Descriptor) -> Result<Image, Error> {
    let mut layout = Disk::default();
    if let Some(second) = descriptor.lines.get(1) {
        let count = descriptor.lines.len() as u64;
        return Err(Unsupported::EmbeddedExtents { at: second.at, count }.into());
    }
    let Some(line) = descriptor.lines.first() else {
        let message = "the descriptor names no extent: its own file is used as the disk";
        layout.findings.push(Finding {
            code: codes::DESCRIPTOR_NO_EXTENTS,
            severity: Severity::Warning,
            at: Some(descriptor.at),
            message: message.into(),
        });
        layout.whole(sparse)?;
        return Ok(layout.finish(Some(descriptor), Vec::new()));
    };
    if line.storage != Storage::Sparse {
        let reason = "the descriptor is embedded in a sparse extent, but this is another type";
        return Err(Corrupt::ExtentLine { at: line.at, line: line.kind.to_string(), reason }.into());
    }
    agree(&mut sparse, line.sectors)?;
    layout.shown.push(Shown::new(
        line.name.as_ref().map(|(_, name)| &name[..]),
        "",
        sparse.capacity,
        Some(&sparse),
    ));
    layout.findings.append(&mut sparse.findings);
    layout.add(line, FileId::SELF, sparse.kind, sparse.fixed)?;
    Ok(layout.finish(Some(descriptor), Vec::new()))
}

/// An extent without a descriptor: described but not read, except in a salvage.
pub(crate) fn alone(mut sparse: Sparse, options: &ParseOptions) -> Result<Image, Error> {
    let mut layout = Disk::default();
    let refusal = Unsupported::Alone { what: sparse.what };
    if options.salvage {
        layout.findings.push(Finding {
            code: codes::EXTENT_ALONE,
            severity: Severity::Error,
            at: Some(0),
            message: "an extent without its descriptor is read as a complete disk without a parent".into(),
        });
    } else {
        sparse.kind = Kind::Refused(Refusal::Unsupported(refusal));
    }
    layout.whole(sparse)?;
    Ok(layout.finish(None, Vec::new()))
}

/// A disk during assembly.
#[derive(Default)]
struct Disk {
    parts: Vec<Part>,
    shown: Vec<Shown>,
    findings: Vec<Finding>,
    end: u64,
}

impl Disk {
    fn add(
        &mut self,
        line: &Line,
        file: FileId,
        kind: Kind,
        fixed: Vec<(core::ops::Range<u64>, &'static str)>,
    ) -> Result<(), Error> {
        let too_large = || Error::from(Corrupt::TooLarge { at: line.at });
        let len = line.sectors.checked_mul(SECTOR).ok_or_else(too_large)?;
        // NOACCESS takes precedence over the contents of the file.
        let kind = if line.is_accessible {
            kind
        } else {
            Kind::Refused(Refusal::Unsupported(Unsupported::NoAccess { at: line.at }))
        };
        self.put(len, file, kind, fixed).ok_or_else(too_large)
    }

    fn put(
        &mut self,
        len: u64,
        file: FileId,
        kind: Kind,
        fixed: Vec<(core::ops::Range<u64>, &'static str)>,
    ) -> Option<()> {
        let end = self.end.checked_add(len).filter(|end| *end <= LARGEST_DISK)?;
        // A NOACCESS refusal refers to the descriptor, not to the extent file.
        let is_about_line = matches!(kind, Kind::Refused(Refusal::Unsupported(Unsupported::NoAccess { .. })));
        let file = if is_about_line { FileId::SELF } else { file };
        self.parts.push(Part { disk: self.end..end, file, kind, fixed });
        self.end = end;
        Some(())
    }

    /// Uses this file as the whole disk.
    fn whole(&mut self, mut sparse: Sparse) -> Result<(), Error> {
        self.shown.push(Shown::new(None, "", sparse.capacity, Some(&sparse)));
        self.findings.append(&mut sparse.findings);
        let at = sparse.capacity_at;
        let put = self.put(sparse.capacity, FileId::SELF, sparse.kind, sparse.fixed);
        put.ok_or_else(|| Corrupt::TooLarge { at }.into())
    }

    fn show(&mut self, line: &Line, sparse: Option<&Sparse>) {
        let name = line.name.as_ref().map(|(_, name)| &name[..]);
        self.shown.push(Shown::new(name, line.kind, line.sectors.saturating_mul(SECTOR), sparse));
    }

    /// Adds the findings of an extent's file, prefixed with its name.
    fn add_findings(&mut self, line: &Line, findings: Vec<Finding>) {
        let name =
            line.name.as_ref().map(|(_, name)| ImageName(name.clone()).to_string()).unwrap_or_default();
        self.findings.extend(
            findings
                .into_iter()
                .map(|finding| Finding { message: format!("{name}: {}", finding.message), ..finding }),
        );
    }

    fn finish(mut self, descriptor: Option<&Descriptor>, files: Vec<FileRef>) -> Image {
        if let Some(refusal) = descriptor.and_then(|descriptor| descriptor.refusal.clone()) {
            for part in &mut self.parts {
                part.kind = Kind::Refused(refusal.clone());
                part.file = FileId::SELF;
            }
        }
        let refused = refusal_findings(&self.parts);
        let parent = descriptor.and_then(|descriptor| descriptor.parent.as_ref()).map(Parent::reference);
        let mut findings = descriptor.map(|descriptor| descriptor.findings.clone()).unwrap_or_default();
        findings.append(&mut self.findings);
        findings.extend(refused);
        let facts = facts(descriptor, &self.shown);
        let map = Map::new(self.parts, parent.is_some());
        let image = Image { parent, files, findings, ..Image::new(facts, map) };
        let Some(descriptor) = descriptor else { return image };
        Image {
            identity: descriptor.cid.map(identity),
            other_identities: descriptor.uuid.iter().cloned().collect(),
            revision: descriptor.modification.clone(),
            attachments: descriptor.tracking.iter().cloned().collect(),
            ..image
        }
    }
}

/// Findings for parts that cannot be read, one per reason.
///
/// Unopened files are not an anomaly.
fn refusal_findings(parts: &[Part]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for part in parts {
        let Kind::Refused(refusal) = &part.kind else { continue };
        let error = refusal.error();
        let is_known = findings.iter().any(|known| known.code == error.code());
        if refusal.is_unopened() || is_known {
            continue;
        }
        let message = match refusal {
            Refusal::Corrupt(detail) => detail.to_string(),
            Refusal::Unsupported(detail) => detail.to_string(),
        };
        let (code, at) = (error.code(), error.at());
        findings.push(Finding { code, severity: Severity::Error, at, message });
    }
    findings
}

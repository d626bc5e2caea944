//! Checks of the descriptor against the extents that it describes.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_map::{Error, FileId, Files, Limits, ReadAt, Report, usize_of};

use crate::codes;
use crate::descriptor::Descriptor;
use crate::extent_line::{Line, Storage, number};
use crate::file_report::shown_name;
use crate::key_values::key_and_value;
use crate::layout::{HOSTED_BYTES, RawHosted, SECTOR};
use crate::magic::{Magic, head, magic};
use crate::map::Map;
use crate::part::Kind;
use crate::tables::Entries;

/// Longest descriptor that is checked, in bytes.
///
/// Opening rejects longer ones, unless the limits are raised.
const LONGEST: u64 = 16 << 20;
/// Sectors of the largest extent of a disk that is split into parts of 2 GB.
const TWO_GB: u64 = (2 << 30) / SECTOR;

/// A descriptor and the offsets of its `KEY = VALUE` lines.
pub(crate) struct Text {
    descriptor: Descriptor,
    words: Vec<Word>,
}

/// One `KEY = VALUE` line.
struct Word {
    key: Vec<u8>,
    value: Vec<u8>,
    at: u64,
}

/// Each `createType`: extent types, whether it has one extent, whether compressed.
const KINDS: [(&str, &[&str], bool, Option<bool>); 13] = [
    ("monolithicSparse", &["SPARSE"], true, Some(false)),
    ("streamOptimized", &["SPARSE"], true, Some(true)),
    ("monolithicFlat", &["FLAT"], true, None),
    ("twoGbMaxExtentSparse", &["SPARSE", "ZERO"], false, Some(false)),
    ("2GbMaxExtentSparse", &["SPARSE", "ZERO"], false, Some(false)),
    ("twoGbMaxExtentFlat", &["FLAT", "ZERO"], false, None),
    ("2GbMaxExtentFlat", &["FLAT", "ZERO"], false, None),
    ("vmfs", &["VMFS"], false, None),
    ("vmfsThin", &["VMFS"], false, None),
    ("vmfsPreallocated", &["VMFS"], false, None),
    ("vmfsEagerZeroedThick", &["VMFS"], false, None),
    ("vmfsSparse", &["VMFSSPARSE"], false, None),
    ("seSparse", &["SESPARSE"], false, None),
];

impl Text {
    /// Reads the descriptor in the image's own file, if there is one.
    pub(crate) fn read(file: &dyn ReadAt) -> Result<Option<Self>, Error> {
        let Some((bytes, at)) = bytes(file)? else { return Ok(None) };
        // Opening the image has already reported an invalid descriptor.
        let Ok(descriptor) = Descriptor::read(&bytes, at) else { return Ok(None) };
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut words = Vec::new();
        let mut line_at = at;
        for whole in text.split(|byte| *byte == b'\n') {
            let line = whole.trim_ascii();
            if let Some((key, value)) = key_and_value(line) {
                // OK: the trimmed line is a part of the whole one.
                let at = line_at + (whole.len() - whole.trim_ascii_start().len()) as u64;
                words.push(Word { key: key.to_ascii_lowercase(), value: value.to_vec(), at });
            }
            line_at += whole.len() as u64 + 1;
        }
        Ok(Some(Self { descriptor, words }))
    }

    /// The file name of an extent, for messages.
    pub(crate) fn name(&self, index: usize) -> String {
        let line = self.descriptor.lines.get(index);
        line.and_then(|line| line.name.as_ref()).map(|(_, name)| shown_name(name)).unwrap_or_default()
    }

    fn word(&self, key: &str) -> Option<&Word> {
        self.words.iter().find(|word| word.key.eq_ignore_ascii_case(key.as_bytes()))
    }

    pub(crate) fn check(&self, map: &Map, files: &dyn Files, report: &mut Report<'_>) -> Result<(), Error> {
        self.ids(report);
        self.geometry(map.size / SECTOR, report);
        // With one part per line, the disk was assembled from the lines.
        if self.descriptor.lines.len() == map.parts.len() {
            self.kinds(map, report);
            self.magics(map, files, report)?;
        }
        Ok(())
    }

    fn ids(&self, report: &mut Report<'_>) {
        let (Some(cid), Some(word)) = (self.descriptor.cid, self.word("CID")) else { return };
        if cid == u32::MAX {
            let message =
                "the disk's own id is ffffffff, which children use to declare that they have no parent";
            report.warning(codes::CHECK_CID, word.at, message.into());
        }
        if self.descriptor.parent.as_ref().is_some_and(|parent| parent.cid == Some(cid)) {
            let message = format!("the disk's own id {cid:08x} is that of its parent");
            report.warning(codes::CHECK_CID, word.at, message);
        }
        if let Some(long) = self.word("ddb.longContentID")
            && !long.value.to_ascii_lowercase().ends_with(format!("{cid:08x}").as_bytes())
        {
            let message = format!(
                "ddb.longContentID is {}, expected to end in the CID {cid:08x}",
                shown_name(&long.value)
            );
            report.note(codes::CHECK_LONG_CONTENT_ID, long.at, message);
        }
    }

    /// Checks that the CHS geometry matches this disk size, rounded down.
    fn geometry(&self, capacity: u64, report: &mut Report<'_>) {
        let keys = ["ddb.geometry.cylinders", "ddb.geometry.heads", "ddb.geometry.sectors"];
        let [Some(cylinders), Some(heads), Some(sectors)] = keys.map(|key| self.word(key)) else { return };
        let [Some(c), Some(h), Some(s)] = [cylinders, heads, sectors].map(|word| number(&word.value)) else {
            let message = "the geometry in the disk database is not numeric";
            report.note(codes::CHECK_GEOMETRY, cylinders.at, message.into());
            return;
        };
        let track = h.saturating_mul(s);
        let is_possible = (1..=255).contains(&h) && (1..=63).contains(&s);
        // An IDE disk reports at most 16383 cylinders, whatever its size.
        let is_too_small = track > 0 && c < (capacity / track).min(16383);
        if !is_possible || is_too_small || c.saturating_mul(track) > capacity {
            let message = format!(
                "the geometry in the disk database is {c} cylinders, {h} heads, {s} sectors, but the disk has {capacity} sectors"
            );
            report.note(codes::CHECK_GEOMETRY, cylinders.at, message);
        }
    }

    /// Checks that the extent types match the `createType`.
    fn kinds(&self, map: &Map, report: &mut Report<'_>) {
        let (Some(name), Some(word)) = (&self.descriptor.create_type, self.word("createType")) else {
            return;
        };
        let Some((_, kinds, is_one, is_compressed)) =
            KINDS.iter().find(|(kind, ..)| kind.eq_ignore_ascii_case(name))
        else {
            return;
        };
        let lines = &self.descriptor.lines;
        if *is_one && lines.len() > 1 {
            let message = format!("createType {name} requires one extent, but there are {}", lines.len());
            report.warning(codes::CHECK_CREATE_TYPE, word.at, message);
        }
        if let Some(line) = lines.iter().find(|line| !kinds.contains(&line.kind)) {
            let message = format!(
                "createType {name} requires extents {}, but there is one of {}",
                kinds.join(" and "),
                line.kind
            );
            report.warning(codes::CHECK_CREATE_TYPE, word.at, message);
        }
        let found = map
            .parts
            .iter()
            .find_map(|part| compressed(&part.kind).filter(|found| Some(*found) != *is_compressed));
        if let (Some(found), Some(_)) = (found, is_compressed) {
            let found = if found { "an extent has compressed grains" } else { "no grain is compressed" };
            report.warning(codes::CHECK_CREATE_TYPE, word.at, format!("createType is {name} and {found}"));
        }
        if name.to_ascii_lowercase().contains("gbmax") {
            for line in lines.iter().filter(|line| line.sectors > TWO_GB) {
                let message = format!(
                    "an extent of {} sectors exceeds the limit {TWO_GB} of createType {name}",
                    line.sectors
                );
                report.warning(codes::CHECK_EXTENT_LARGE, line.at, message);
            }
        }
    }

    /// Checks the magics: SPARSE is `KDMV`, VMFSSPARSE is `COWD`.
    ///
    /// Reading accepts either magic under both types.
    fn magics(&self, map: &Map, files: &dyn Files, report: &mut Report<'_>) -> Result<(), Error> {
        for (line, part) in self.descriptor.lines.iter().zip(&map.parts) {
            let Some(file) = files.get(part.file).filter(|_| line.storage == Storage::Sparse) else {
                continue;
            };
            let found = magic(&head(file)?);
            if found.is_some() && found != Some(magic_of(line)) && part.file != FileId::SELF {
                let found = if found == Some(Magic::Cowd) { "COWD" } else { "KDMV" };
                let message = format!("an extent of type {} is a {found} file", line.kind);
                report.warning(codes::CHECK_EXTENT_MAGIC, line.at, message);
            }
        }
        Ok(())
    }
}

fn magic_of(line: &Line) -> Magic {
    if line.kind == "VMFSSPARSE" { Magic::Cowd } else { Magic::Hosted }
}

/// Whether the grains of a `KDMV` extent are compressed; `None` for other kinds.
fn compressed(kind: &Kind) -> Option<bool> {
    match kind {
        Kind::Sparse(tables) => match tables.entries {
            Entries::Hosted { is_compressed, .. } => Some(is_compressed),
            _ => None,
        },
        _ => None,
    }
}

/// Bytes and their file offset.
type Placed<'f> = (Cow<'f, [u8]>, u64);

/// Reads the bytes of the descriptor.
fn bytes(file: &dyn ReadAt) -> Result<Option<Placed<'_>>, Error> {
    let range = match magic(&head(file)?) {
        None => 0..file.len(),
        Some(Magic::Hosted) if file.len() >= HOSTED_BYTES as u64 => {
            let raw = RawHosted::decode(&file.array(0)?);
            let start = raw.descriptor_offset.saturating_mul(SECTOR);
            start..start.saturating_add(raw.descriptor_size.saturating_mul(SECTOR))
        }
        Some(_) => return Ok(None),
    };
    let len = range.end - range.start;
    let is_some = range.start < range.end && range.end <= file.len();
    if !is_some || len > LONGEST.max(Limits::default().text_bytes) {
        return Ok(None);
    }
    // OK: compared with a limit and with the length of the file.
    let bytes = file.slice(range.start, usize_of(len))?;
    let is_empty = bytes.first().is_none_or(|first| *first == 0);
    Ok((!is_empty).then_some((bytes, range.start)))
}

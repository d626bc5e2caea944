//! Facts for `info`, and findings of the parser.
//!
//! `qemu-img info` has no names of its own for the fields of a VDI.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Code, Facts, Finding, ImageName, Severity, Value, size_text};

use crate::codes;
use crate::header::Header;
use crate::layout::NAME;
use crate::layout::{Geometry, LCHS_AT, SECTOR, ZERO_EXPAND};
use crate::uuid::Uuid;

pub(crate) fn facts(header: &Header) -> Facts {
    let (major, minor) = header.version;
    let variant = format!(
        "version {major}.{minor}, {}, blocks of {}",
        header.kind.name(),
        size_text(header.block_size)
    );
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = Some(header.block_size);
    let raw = &header.raw;
    facts.details = vec![
        ("version", Value::Text(format!("{major}.{minor}"))),
        ("image-type", Value::Text(header.kind.name().into())),
        ("creator", Value::Text(text(&header.text))),
        ("flags", Value::Number(raw.flags.into())),
        ("zero-expand", Value::Flag(raw.flags & ZERO_EXPAND != 0)),
        ("block-extra", Value::Number(raw.block_extra.into())),
        ("blocks", Value::Number(raw.blocks.into())),
        ("blocks-allocated", Value::Number(raw.allocated.into())),
        ("map-offset", Value::Number(header.map_at)),
        ("data-offset", Value::Number(header.data_at)),
    ];
    let comment = text(&raw.comment);
    if !comment.is_empty() {
        facts.details.push(("comment", Value::Text(comment)));
    }
    let mut uuid = |name, uuid: Uuid| {
        if let Some(uuid) = uuid.known() {
            facts.details.push((name, Value::Text(uuid.text())));
        }
    };
    uuid("uuid", header.image);
    uuid("modified-uuid", header.modified);
    uuid("parent-uuid", raw.parent);
    uuid("parent-modified", raw.parent_modified);
    let lchs = if header.has_lchs { raw.lchs } else { [0; 4] };
    for (name, geometry) in [("legacy-geometry", raw.geometry), ("logical-geometry", lchs)] {
        if !matches!(geometry, [0, 0, 0, _]) {
            facts.details.push((name, table(geometry)));
        }
    }
    facts
}

fn table([cylinders, heads, sectors, _]: Geometry) -> Value {
    let number = |field: u32| Value::Number(field.into());
    Value::Table(vec![
        ("cylinders", number(cylinders)),
        ("heads", number(heads)),
        ("sectors", number(sectors)),
    ])
}

/// The text up to the first NUL, without the line end of the pre-header text.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    ImageName(text.trim_ascii_end().to_vec()).to_string()
}

/// Findings of the parser.
///
/// `stored` is the number of stored blocks in the map, or `None` if they were not counted.
pub(crate) fn findings(header: &Header, stored: Option<u64>, file_len: u64) -> Vec<Finding> {
    let (raw, places) = (&header.raw, header.places);
    let mut findings = Vec::new();
    let mut add = |code, severity, at: usize, message| {
        findings.push(Finding { code, severity, at: Some(at as u64), message });
    };
    match stored {
        None => {
            let message =
                "the map is too large to be counted: the number of allocated blocks was not checked";
            add(codes::HEADER_ALLOCATED_UNCHECKED, Severity::Note, places.allocated, message.into());
        }
        Some(stored) if stored != u64::from(raw.allocated) => {
            let message = format!("the header counts {} allocated blocks, the map {stored}", raw.allocated);
            add(codes::HEADER_ALLOCATED, Severity::Warning, places.allocated, message);
        }
        Some(_) => {}
    }
    let used = header.used_blocks();
    if header.blocks() > used {
        let message =
            format!("the map has {} blocks, but the disk has only {used}: the rest is ignored", raw.blocks);
        add(codes::MAP_LONGER, Severity::Warning, places.blocks, message);
    }
    if !raw.block_size.is_power_of_two() {
        let message = format!("block size {} is not a power of two: VirtualBox rejects it", raw.block_size);
        add(codes::HEADER_BLOCK_SIZE, Severity::Warning, places.block_size, message);
    }
    places_of_blocks(header, file_len, &mut add);
    if !raw.disk_size.is_multiple_of(512) {
        let message = format!("the disk size {} is not a multiple of a sector", raw.disk_size);
        add(codes::HEADER_ODD_SIZE, Severity::Note, places.disk_size, message);
    }
    if raw.flags & !ZERO_EXPAND != 0 {
        let message = format!("flags {:#010x} contain unknown flags", raw.flags);
        add(codes::HEADER_UNKNOWN_FLAGS, Severity::Note, places.flags, message);
    }
    let [.., sector] = raw.lchs;
    if header.has_lchs && !matches!(sector, 0 | 512) {
        let message = format!("the logical geometry has sectors of {sector} bytes");
        add(codes::HEADER_LCHS_SECTOR, Severity::Note, LCHS_AT + 12, message);
    }
    findings
}

/// Checks the fields that determine the offsets of the blocks.
///
/// No checksum protects them, and a wrong offset or distance between blocks results in another disk.
fn places_of_blocks(
    header: &Header,
    file_len: u64,
    add: &mut dyn FnMut(&'static Code, Severity, usize, String),
) {
    let (raw, places) = (&header.raw, header.places);
    for (code, what, place, start) in [
        (codes::HEADER_MAP_UNALIGNED, "map", places.map_offset, header.map_at),
        (codes::HEADER_DATA_UNALIGNED, "data", places.data_offset, header.data_at),
    ] {
        if let Some(at) = place
            && !start.is_multiple_of(SECTOR)
        {
            let message = format!("{what} offset {start} is not a multiple of {SECTOR}: QEMU rejects it");
            add(code, Severity::Warning, at, message);
        }
    }
    if let Some(at) = places.block_extra.filter(|_| raw.block_extra != 0) {
        let message =
            format!("{} bytes of extra space before each block, which no known writer uses", raw.block_extra);
        add(codes::HEADER_BLOCK_EXTRA, Severity::Warning, at, message);
    }
    // OK: a block and its extra space have less than 2^33 bytes, and there are fewer than 2^32 blocks.
    let stride = header.block_size + u64::from(raw.block_extra);
    let end = header.data_at.saturating_add(stride.saturating_mul(raw.allocated.into()));
    let (more, less) = (file_len.saturating_sub(end), end.saturating_sub(file_len));
    // Some writers pad the last sector, others omit the part of the last block that is past the end of the disk.
    let spare = (header.used_blocks() * header.block_size).saturating_sub(header.size());
    let is_cut_short = less > spare || (less > 0 && spare - less >= SECTOR);
    if more >= SECTOR || is_cut_short {
        let message = format!(
            "the last of {} allocated blocks ends at {end}, but the file at {file_len}: data offset, block size or number of blocks may be wrong",
            raw.allocated
        );
        add(codes::FILE_LENGTH, Severity::Warning, places.data_offset.unwrap_or(places.blocks), message);
    }
}

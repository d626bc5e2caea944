//! What an inspector tells. `qemu-img info` has no names of its own for VDI's fields.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Facts, Finding, ImageName, Severity, Value};

use crate::NAME;
use crate::header::Header;
use crate::layout::{Geometry, LCHS_AT, ZERO_EXPAND};
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
        if geometry[..3] != [0; 3] {
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

/// Up to the first NUL, without the line end that closes the pre-header's text.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    ImageName(text.trim_ascii_end().to_vec()).to_string()
}

fn size_text(size: u64) -> String {
    match size {
        size if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} bytes"),
    }
}

/// `stored` is what the map says, if it was counted.
pub(crate) fn findings(header: &Header, stored: Option<u64>) -> Vec<Finding> {
    let (raw, places) = (&header.raw, header.places);
    let mut findings = Vec::new();
    let mut add = |code, severity, at: usize, message| {
        findings.push(Finding { code, severity, at: Some(at as u64), message });
    };
    match stored {
        None => {
            let message = "the map is too long to be counted: the number of allocated blocks was not checked";
            add("vdi.header.allocated-unchecked", Severity::Note, places.allocated, message.into());
        }
        Some(stored) if stored != u64::from(raw.allocated) => {
            let message =
                format!("{} blocks are allocated by the header, {stored} by the map", raw.allocated);
            add("vdi.header.allocated", Severity::Warning, places.allocated, message);
        }
        Some(_) => {}
    }
    let used = header.used_blocks();
    if header.blocks() > used {
        let message =
            format!("the map has {} blocks, the disk only {used}: the rest is not read", raw.blocks);
        add("vdi.map.longer", Severity::Note, places.blocks, message);
    }
    if !raw.block_size.is_power_of_two() {
        let message =
            format!("blocks of {} bytes, no power of two: VirtualBox does not read them", raw.block_size);
        add("vdi.header.block-size", Severity::Note, places.block_size, message);
    }
    if !raw.disk_size.is_multiple_of(512) {
        let message = format!("the disk has {} bytes, no whole number of sectors", raw.disk_size);
        add("vdi.header.odd-size", Severity::Note, places.disk_size, message);
    }
    if raw.flags & !ZERO_EXPAND != 0 {
        let message = format!("flags {:#010x} hold unknown ones", raw.flags);
        add("vdi.header.unknown-flags", Severity::Note, places.flags, message);
    }
    if header.has_lchs && !matches!(raw.lchs[3], 0 | 512) {
        let message = format!("the logical geometry has sectors of {} bytes", raw.lchs[3]);
        add("vdi.header.lchs-sector", Severity::Note, LCHS_AT + 12, message);
    }
    findings
}

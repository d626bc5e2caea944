//! Facts for `info`, and findings on the footer.
//!
//! `qemu-img info` has no fields of its own for this format.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Facts, Finding, ImageName, Severity, Value, hex, size_text};

use crate::batmap::Batmap;
use crate::codes;
use crate::footer::{DiskType, Footer};
use crate::header::Header;
use crate::layout::NAME;
use crate::layout::{RESERVED, TEMPORARY, footer_at};
use crate::parent::Parent;
use crate::size::Rule;

/// The structures of an image from which the facts are derived.
pub(crate) struct Subject<'a> {
    pub(crate) footer: &'a Footer,
    pub(crate) header: Option<&'a Header>,
    pub(crate) parent: Option<&'a Parent>,
    pub(crate) batmap: Option<&'a Batmap>,
}

/// Seconds from 1970 to 2000, the epoch of the time stamps.
const EPOCH: u64 = 946_684_800;

pub(crate) fn facts(subject: &Subject<'_>) -> Facts {
    let Subject { footer, header, parent, batmap } = subject;
    let kind = footer.disk_type.name();
    let variant = match header {
        Some(header) => format!("{kind}, blocks of {}", size_text(header.block_size)),
        None => kind.into(),
    };
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = header.map(|header| header.block_size);
    facts.details = vec![("subformat", Value::Text(kind.into()))];
    facts.details.extend(creator(footer));
    facts.details.extend(sizes(footer));
    facts.details.extend([
        ("uuid", Value::Text(footer.uuid_text())),
        ("timestamp", Value::Number(EPOCH + u64::from(footer.raw.timestamp))),
        ("temporary", Value::Flag(footer.raw.features & TEMPORARY != 0)),
        ("saved-state", Value::Flag(footer.raw.saved_state != 0)),
    ]);
    if let Some(header) = header {
        facts.details.push(("table-entries", Value::Number(header.entries)));
    }
    if let (Some(header), Some(parent)) = (header, parent) {
        facts.details.push(("parent", Value::Table(parent_facts(header, parent))));
    }
    if let Some(batmap) = batmap {
        facts.details.push(("batmap", Value::Table(batmap_facts(batmap))));
    }
    facts
}

fn creator(footer: &Footer) -> [(&'static str, Value); 3] {
    let word = |bytes: [u8; 4]| {
        let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        Value::Text(ImageName(bytes.into_iter().take(len).collect()).to_string())
    };
    let version = footer.raw.creator_version;
    [
        ("creator", word(footer.raw.creator)),
        ("creator-version", Value::Text(format!("{}.{}", version >> 16, version & 0xffff))),
        ("creator-host", word(footer.raw.creator_host)),
    ]
}

/// Both sizes, the one in use, and whether Azure accepts this disk type and size.
fn sizes(footer: &Footer) -> Vec<(&'static str, Value)> {
    let (size, raw) = (&footer.size, &footer.raw);
    let geometry = vec![
        ("cylinders", Value::Number(raw.cylinders.into())),
        ("heads", Value::Number(raw.heads.into())),
        ("sectors-per-track", Value::Number(raw.sectors_per_track.into())),
    ];
    let is_whole = size.taken() > 0 && size.taken().is_multiple_of(1 << 20);
    vec![
        ("current-size", Value::Number(size.field)),
        ("original-size", Value::Number(raw.original_size)),
        ("geometry-size", Value::Number(size.geometry)),
        ("geometry", Value::Table(geometry)),
        ("size-taken", Value::Text(size.taken_name().into())),
        ("size-reason", Value::Text(size.reason().into())),
        (
            "fixed-whole-mib",
            Value::Flag(is_whole && size.taken() == size.field && footer.disk_type == DiskType::Fixed),
        ),
    ]
}

fn parent_facts(header: &Header, parent: &Parent) -> Vec<(&'static str, Value)> {
    let text = |name: &ImageName| Value::Text(name.to_string());
    let locator = |(kind, name): &(&'static str, ImageName)| {
        Value::Table(vec![("platform", Value::Text((*kind).into())), ("name", text(name))])
    };
    vec![
        ("uuid", Value::Text(hex(&header.raw.parent_uuid))),
        ("timestamp", Value::Number(EPOCH + u64::from(header.raw.parent_timestamp))),
        ("name", text(&parent.header_name)),
        ("locators", Value::List(parent.locators.iter().map(locator).collect())),
    ]
}

fn batmap_facts(batmap: &Batmap) -> Vec<(&'static str, Value)> {
    vec![
        ("offset", Value::Number(batmap.at)),
        ("version", Value::Text(format!("{}.{}", batmap.version >> 16, batmap.version & 0xffff))),
        ("checksum-right", Value::Flag(batmap.is_sound())),
    ]
}

/// Findings on unusual values of the footer fields.
pub(crate) fn findings(footer: &Footer, file_len: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let raw = &footer.raw;
    let mut add = |code, severity, at: u64, message: String| {
        findings.push(Finding { code, severity, at: Some(footer.at + at), message });
    };
    if raw.features & TEMPORARY != 0 {
        let message = "marked temporary: the machine may delete it when it shuts down";
        add(codes::FEATURES_TEMPORARY, Severity::Warning, footer_at::FEATURES, message.into());
    }
    let unknown = raw.features & !(TEMPORARY | RESERVED);
    if unknown != 0 {
        let message = format!("unknown feature bits {unknown:#x}");
        add(codes::FEATURES_UNKNOWN, Severity::Warning, footer_at::FEATURES, message);
    }
    if raw.saved_state != 0 {
        let message =
            "the machine is in a saved state: its memory is in another file, and the disk was in use";
        add(codes::SAVED_STATE, Severity::Warning, footer_at::SAVED_STATE, message.into());
    }
    if raw.is_by_tapdisk() && raw.hidden != 0 {
        let message =
            "marked hidden: XenServer no longer shows it, but other disks may have it as their parent";
        add(codes::HIDDEN, Severity::Note, footer_at::HIDDEN, message.into());
    }
    let size = &footer.size;
    if size.rule == Rule::NoGeometry {
        let message = format!("the geometry is empty: the size field of {} bytes is used", size.field);
        add(codes::SIZE_NO_GEOMETRY, Severity::Warning, footer_at::GEOMETRY, message);
    } else if size.rule == Rule::Geometry && size.field != size.geometry {
        let message = format!(
            "the disk has the {} bytes of its geometry, as its creator field requires; the size field is {}",
            size.geometry, size.field
        );
        add(codes::SIZE_DIFFER, Severity::Note, footer_at::GEOMETRY, message);
    }
    let present = if footer.disk_type == DiskType::Fixed { footer.at } else { 0 };
    let largest = size.field.max(size.taken());
    if present > largest {
        let message =
            format!("{} bytes of the file are between the end of the disk and the footer", present - largest);
        add(codes::FIXED_GAP, Severity::Warning, size.field_at(), message);
    }
    debug_assert!(footer.at < file_len);
    findings
}

//! The facts for `info`. `qemu-img info` has no fields of its own for QED.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Facts, Finding, ParentRef, Severity, Value, size_text};

use crate::codes;
use crate::header::Header;
use crate::layout::BACKING_FILE;
use crate::layout::NAME;

pub(crate) fn facts(header: &Header) -> Facts {
    let (clusters, table) = (size_text(header.cluster_size), header.raw.table_size);
    let plural = if table == 1 { "" } else { "s" };
    let variant = format!("clusters of {clusters}, tables of {table} cluster{plural}");
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = Some(header.cluster_size);
    facts.dirty = header.needs_check();
    facts.details = vec![
        ("table-size", Value::Number(table.into())),
        ("header-size", Value::Number(header.raw.header_size.into())),
        ("need-check", Value::Flag(header.needs_check())),
    ];
    let unknown = [
        ("compat-features", header.raw.compat_features),
        ("autoclear-features", header.raw.autoclear_features),
    ];
    let set = unknown.into_iter().filter(|(_, bits)| *bits != 0);
    facts.details.extend(set.map(|(name, bits)| (name, Value::Text(format!("{bits:#x}")))));
    facts
}

/// Anomalies of the header.
pub(crate) fn findings(header: &Header, parent: Option<&ParentRef>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |code, at, message| {
        findings.push(Finding { code, severity: Severity::Warning, at: Some(at), message });
    };
    if header.needs_check() {
        let message = "the image was not closed properly and needs a check: clusters may have leaked, but the tables are valid";
        add(codes::HEADER_NEED_CHECK, 16, message.into());
    }
    if !header.raw.image_size.is_multiple_of(512) {
        let size = header.raw.image_size;
        add(codes::HEADER_ODD_SIZE, 48, format!("the disk size {size} is not a multiple of a sector"));
    }
    // Legal ("only valid if the backing file feature bit is set"), and the remnant of a backing file whose
    // bit was lost.
    let (start, len) = (header.raw.backing_filename_offset, header.raw.backing_filename_size);
    if header.raw.features & BACKING_FILE == 0 && len != 0 {
        let message = format!(
            "a backing file name of {len} bytes at {start} without its feature bit, expected 0 bytes"
        );
        add(codes::BACKING_UNFLAGGED, 56, message);
    }
    if let Some(parent) = parent.filter(|parent| parent.format.is_none()) {
        let message = format!(
            "the image does not declare the format of its backing file {}: it is probed",
            parent.name
        );
        add(codes::BACKING_NO_FORMAT, parent.at, message);
    }
    findings
}

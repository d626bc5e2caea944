//! The facts for `info`. `qemu-img info` has no fields of its own for QCOW.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Facts, Finding, ParentRef, Severity, Value, size_text};

use crate::codes;
use crate::header::Header;
use crate::layout::NAME;
use crate::layout::XEN_AT;

pub(crate) fn facts(header: &Header) -> Facts {
    let variant = format!("version 1, clusters of {}", size_text(header.cluster_size()));
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = Some(header.cluster_size());
    facts.encryption = header.encryption;
    facts.details = vec![("l2-entries", Value::Number(header.l2_entries))];
    if header.raw.mtime != 0 {
        facts.details.push(("backing-mtime", Value::Number(header.raw.mtime.into())));
    }
    if header.xen.is_some() {
        facts.details.push(("xen-extension", Value::Flag(true)));
    }
    facts
}

/// Anomalies of the header.
pub(crate) fn findings(header: &Header, parent: Option<&ParentRef>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add =
        |code, severity, at, message| findings.push(Finding { code, severity, at: Some(at), message });
    if let Some(refusal) = header.refusal() {
        let at = refusal.at().unwrap_or(XEN_AT);
        add(refusal.code(), Severity::Error, at, refusal.what());
    }
    // The remnant of a backing file whose offset was lost: without a backing file, QEMU writes 0 bytes.
    if header.backing_name.is_none() && header.raw.backing_len != 0 {
        let len = header.raw.backing_len;
        let message = format!("a backing file name of {len} bytes without an offset, expected 0 bytes");
        add(codes::BACKING_UNPLACED, Severity::Warning, 16, message);
    }
    if let Some(parent) = parent {
        let message =
            format!("QCOW does not store the format of its backing file {}: it is probed", parent.name);
        add(codes::BACKING_NO_FORMAT, Severity::Warning, parent.at, message);
    }
    findings
}

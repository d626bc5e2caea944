//! Facts for `info`. `qemu-img info` has no fields specific to this format.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Error, Facts, Finding, Severity, Value};

use crate::codes;
use crate::header::Header;
use crate::layout::MIB;
use crate::layout::NAME;
use crate::metadata::Metadata;
use crate::replay::Replay;

pub(crate) fn facts(header: &Header, metadata: &Metadata, replay: Option<&Replay>, creator: &str) -> Facts {
    let kind = match (metadata.has_parent, metadata.leaves_allocated) {
        (true, _) => "differencing",
        (false, true) => "fixed",
        (false, false) => "dynamic",
    };
    let variant = format!("{kind}, blocks of {} MiB", metadata.block_size / MIB);
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = Some(metadata.block_size);
    facts.dirty = header.has_log();
    facts.details = vec![
        ("subformat", Value::Text(kind.into())),
        ("creator", Value::Text(creator.into())),
        ("block-size", Value::Number(metadata.block_size)),
        ("log-size", Value::Number(header.log.end - header.log.start)),
        ("logical-sector", Value::Number(metadata.logical_sector.into())),
        ("physical-sector", Value::Number(metadata.physical_sector.into())),
        ("virtual-disk-id", Value::Text(metadata.page_83.to_string())),
        ("data-write-guid", Value::Text(header.raw.data_write_guid.to_string())),
        ("file-write-guid", Value::Text(header.raw.file_write_guid.to_string())),
    ];
    if let Some(replay) = replay {
        facts.details.push(("log-entries", Value::Number(replay.entries as u64)));
    }
    facts
}

/// The finding for a salvage that continues without the log.
pub(crate) fn log_skipped(header: &Header, error: &Error) -> Finding {
    Finding {
        code: codes::LOG_SKIPPED,
        severity: Severity::Error,
        at: Some(header.log.start),
        message: format!(
            "the image was not closed properly and its log cannot be replayed: {error}; changes that are only in the log are lost, and the disk may be inconsistent"
        ),
    }
}

pub(crate) fn findings(header: &Header, metadata: &Metadata, replay: Option<&Replay>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(replay) = replay {
        let count = if replay.entries == 1 {
            "1 log entry".into()
        } else {
            format!("{} log entries", replay.entries)
        };
        findings.push(Finding {
            code: codes::LOG_REPLAYED,
            severity: Severity::Warning,
            at: Some(header.log.start),
            message: format!(
                "the image was not closed properly: {count} replayed in memory, the last one number {}",
                replay.sequence
            ),
        });
    }
    if let Some(locator) = metadata.locator.as_ref().filter(|_| !metadata.has_parent) {
        findings.push(Finding {
            code: codes::PARENT_UNUSED,
            severity: Severity::Warning,
            at: Some(locator.start),
            message: "the image has a parent locator, but is not marked as having a parent".into(),
        });
    }
    findings
}

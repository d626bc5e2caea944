//! The facts for `info`, under the names that `qemu-img info` uses.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Codec, Facts, Finding, ParentRef, Severity, Value};

use crate::codes;
use crate::extension::{Extensions, FeatureSet};
use crate::header::Header;
use crate::layout::NAME;
use crate::layout::{BITMAPS, CORRUPT, DIRTY, KNOWN_AUTOCLEAR, LAZY_REFCOUNTS};
use crate::snapshot::Entry;

pub(crate) fn facts(header: &Header, extensions: &Extensions, snapshots: &[Entry]) -> Facts {
    let compression = if header.codec == Codec::Zstd { "zstd" } else { "zlib" };
    let variant =
        format!("version {}, clusters of {}, {compression}", header.raw.version, cluster_text(header));
    let mut facts = Facts::new(NAME, variant);
    facts.cluster_size = Some(header.cluster_size());
    facts.encryption = header.encryption;
    facts.dirty = header.raw.incompatible & DIRTY != 0;
    facts.snapshots = snapshots.iter().map(|entry| entry.shown.clone()).collect();
    facts.details = vec![
        ("compat", Value::Text(if header.is_v3() { "1.1" } else { "0.10" }.into())),
        ("compression-type", Value::Text(compression.into())),
        ("lazy-refcounts", Value::Flag(header.raw.compatible & LAZY_REFCOUNTS != 0)),
        ("refcount-bits", Value::Number(1 << header.raw.refcount_order)),
        ("corrupt", Value::Flag(header.raw.incompatible & CORRUPT != 0)),
        ("extended-l2", Value::Flag(header.has_extended_l2())),
    ];
    if header.has_data_file() {
        let name = extensions.data_file.as_ref().map(|(_, name)| name.to_string());
        facts.details.push(("data-file", Value::Text(name.unwrap_or_default())));
        facts.details.push(("data-file-raw", Value::Flag(header.has_raw_data_file())));
    }
    facts
}

fn cluster_text(header: &Header) -> String {
    match header.cluster_size() {
        size if size >= 1 << 20 => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 => format!("{} KiB", size >> 10),
        size => format!("{size} bytes"),
    }
}

pub(crate) fn findings(header: &Header, extensions: &Extensions, parent: Option<&ParentRef>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add =
        |code, severity, at, message| findings.push(Finding { code, severity, at: Some(at), message });
    if header.raw.incompatible & DIRTY != 0 {
        let message =
            "the image was not closed properly: its reference counts may be stale, its tables are valid";
        add(codes::HEADER_DIRTY, Severity::Warning, 72, message.into());
    }
    // The specification allows readers to ignore both, but a conversion loses what they declare.
    let (compatible, autoclear) =
        (header.raw.compatible & !LAZY_REFCOUNTS, header.raw.autoclear & !KNOWN_AUTOCLEAR);
    if compatible != 0 {
        let names = extensions.feature_names(FeatureSet::Compatible, compatible);
        add(
            codes::HEADER_OPTIONAL_FEATURE,
            Severity::Note,
            80,
            format!("unknown compatible features: {names}"),
        );
    }
    if autoclear != 0 {
        let names = extensions.feature_names(FeatureSet::Autoclear, autoclear);
        add(
            codes::HEADER_OPTIONAL_FEATURE,
            Severity::Warning,
            88,
            format!("unknown autoclear features: {names}"),
        );
    }
    if let Some(refusal) = header.refusal() {
        let at = refusal.at().unwrap_or(0);
        add(refusal.code(), Severity::Error, at, refusal.what());
    }
    if let Some(parent) = parent.filter(|parent| parent.format.is_none()) {
        let message = format!(
            "the image does not declare the format of its backing file {}: it is probed",
            parent.name
        );
        add(codes::BACKING_NO_FORMAT, Severity::Warning, parent.at, message);
    }
    // Legal ("undefined if the image doesn't have a backing file"), and the remnant of a backing file whose
    // offset was lost.
    if header.backing_name.is_none() && header.raw.backing_len != 0 {
        let len = header.raw.backing_len;
        let message = format!("a backing file name of {len} bytes without an offset, expected 0 bytes");
        add(codes::BACKING_UNPLACED, Severity::Warning, 16, message);
    }
    if let Some(format) = extensions.backing_format.as_ref().filter(|_| header.backing_name.is_none()) {
        let message = format!("the backing file format {format} is declared without a backing file");
        add(codes::BACKING_UNPLACED, Severity::Warning, header.length, message);
    }
    // The remnant of a data file whose feature bit was lost.
    if let Some((at, name)) = extensions.data_file.as_ref().filter(|_| !header.has_data_file()) {
        let message = format!("the image names the data file {name}, but its data file feature bit is clear");
        add(codes::DATA_FILE_UNFLAGGED, Severity::Warning, *at, message);
    }
    if let Some(count) = extensions.bitmaps.filter(|_| header.raw.autoclear & BITMAPS != 0) {
        add(
            codes::BITMAPS,
            Severity::Note,
            header.length,
            format!("{count} persistent bitmaps, which a conversion drops"),
        );
    }
    findings
}

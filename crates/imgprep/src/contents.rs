//! The contents of a disk of any format, from its first and last sectors.

use imgprep_disk::{DiskFacts, MAX_READ, Oddity, Wanted};
use imgprep_engine::{BoundedReader, Stack};
use imgprep_map::{Error, Finding, Severity};

use crate::codes;

/// Length of the inspected part of a stream: two blocks of a ZVHD. Reading its end would decompress all of it.
pub(crate) const STREAM_REACH: u64 = 4 << 20;

/// Facts about the contents of a disk, and its anomalies.
#[derive(Debug, Default)]
pub struct DiskInspection {
    /// `None` if the first sectors cannot be read.
    pub facts: Option<DiskFacts>,
    /// Anomalies.
    pub findings: Vec<Finding>,
    /// The first read error: the rest of the contents was not inspected.
    pub unread: Option<Finding>,
}

/// Inspects the disk of a stack. `format` is the top layer's.
pub(crate) fn inspect(stack: &Stack, sector: u32, format: &str) -> DiskInspection {
    let is_stream = stack.layers().iter().any(|layer| layer.map.is_stream());
    let reach = if is_stream { STREAM_REACH } else { u64::MAX };
    let reader = BoundedReader::new(stack, MAX_READ);
    let facts = imgprep_disk::inspect(&reader, Wanted { sector, reach }).ok();
    let is_raw = format == imgprep_raw::NAME;
    let oddities = facts.iter().flat_map(|facts| &facts.oddities);
    let findings = oddities.map(|oddity| finding(oddity, is_raw)).collect();
    let unread = reader.into_failure().as_ref().map(unread);
    DiskInspection { facts, findings, unread }
}

/// Offsets in a RAW are file offsets; for other formats the message contains the disk offset.
fn finding(oddity: &Oddity, is_raw: bool) -> Finding {
    let Oddity { severity, at, message, .. } = oddity.clone();
    if !is_raw {
        let message = format!("{message} (at disk offset {at})");
        return Finding { code: oddity.code, severity, at: None, message };
    }
    let code = if oddity.code == imgprep_disk::codes::PARTITION_PAST_END {
        codes::RAW_PARTITION_PAST_END
    } else {
        oddity.code
    };
    Finding { code, severity, at: Some(at), message }
}

fn unread(error: &Error) -> Finding {
    Finding {
        code: error.code(),
        severity: Severity::Error,
        at: error.at(),
        message: format!("cannot read the contents of the disk: {}", error.what()),
    }
}

//! Anomalies that do not prevent reading the disk.

use std::io::{self, Write};

use imgprep::{Disk, LayerInfo, Severity};
use serde_json::{Value as Json, json};

use super::json;
use super::print::{finding, say};

/// Prints the anomalies of a disk on standard error.
pub(crate) fn warn(disk: &Disk) -> io::Result<()> {
    let mut out = Vec::new();
    for layer in disk.layers() {
        let odd: Vec<_> = layer.findings.iter().filter(|found| found.severity > Severity::Note).collect();
        if !odd.is_empty() {
            say(&mut out, format_args!("{}:", layer.name))?;
        }
        odd.into_iter().try_for_each(|found| finding(&mut out, found))?;
    }
    let _ = io::stderr().write_all(&out);
    Ok(())
}

/// The findings of each layer that has any.
pub(crate) fn findings_json(disk: &Disk) -> Json {
    let findings = |layer: &LayerInfo| {
        let all = layer.findings.iter().map(json::finding).collect::<Vec<_>>();
        json!({ "filename": layer.name, "findings": all })
    };
    let odd = disk.layers().iter().filter(|layer| !layer.findings.is_empty());
    odd.map(findings).collect()
}

//! Shows the format, size and extents of an image: `inspect IMAGE`.

use std::path::Path;

use imgprep::Error;

/// Describes an image, one line per layer and per extent.
pub(crate) fn inspect(path: &Path) -> Result<Vec<String>, Error> {
    let disk = imgprep::open(path)?;
    let mut lines = vec![format!("size: {} bytes", disk.size())];
    for layer in disk.layers() {
        lines.push(format!("layer: {}, {}", imgprep::printable(&layer.name), layer.facts.format));
        lines.extend(layer.findings.iter().map(|finding| format!("finding: {}", finding.code)));
    }
    for extent in disk.extents() {
        let extent = extent?;
        let kind = if extent.is_zero() { "zeros" } else { "data" };
        lines.push(format!("{}..{}: {kind} of layer {}", extent.disk.start, extent.disk.end, extent.layer));
    }
    Ok(lines)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: inspect IMAGE")?;
    for line in inspect(path.as_ref())? {
        println!("{line}");
    }
    Ok(())
}

//! JSON, `schemas/batch.schema.json`.

use imgprep::printable_json;
use serde_json::json;

use crate::Summary;

/// The report as JSON.
pub fn json(summary: &Summary) -> String {
    let (source_size, output_size) = summary.sizes();
    let report = json!({
        "schema": "imgprep/batch/1",
        "out": summary.out,
        "images": summary.records,
        "left-out": summary.left_out,
        "done": summary.done(),
        "earlier": summary.earlier(),
        "failed": summary.failed(),
        "not-importable": summary.rejected(),
        "stopped": summary.stopped(),
        "source-size": source_size,
        "output-size": output_size,
        "seconds": summary.elapsed.as_secs_f64(),
    });
    printable_json(&format!("{report:#}\n")).into_owned()
}

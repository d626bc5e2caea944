//! Results of a check as JSON.

use std::io::{self, Write};

use imgprep::policy::{ExportCommand, Levels, RouteVerdict, Verdict, Violation};
use imgprep::{CheckedFile, Outcome};
use serde_json::{Map, Value as Json, json};

use super::findings::{counts, more};
use super::json::{error_json, text};
use super::print::severity;

/// Writes one file as an object like that of `qemu-img check`. Several are wrapped.
pub(crate) fn write(out: &mut dyn Write, files: &[CheckedFile], levels: &Levels) -> io::Result<()> {
    let mut object = match files {
        [only] => file_json(only, levels),
        files => {
            let all: Vec<Json> = files.iter().map(|file| file_json(file, levels).into()).collect();
            Map::from_iter([("files".to_string(), Json::Array(all))])
        }
    };
    object.insert("schema".into(), json!("imgprep/check/1"));
    out.write_all(text(&Json::Object(object)).as_bytes())
}

fn file_json(file: &CheckedFile, levels: &Levels) -> Map<String, Json> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| object.insert(key.into(), value);
    let checked = &file.counts;
    put("filename", json!(file.name));
    put("format", json!(file.format));
    put("file-length", json!(file.file_len));
    put("virtual-size", json!(file.size));
    put("corruptions", json!(checked.corruptions));
    put("leaks", json!(checked.leaks));
    put("check-errors", json!(checked.check_errors));
    for (key, value) in [
        ("image-end-offset", checked.image_end),
        ("total-clusters", checked.total),
        ("allocated-clusters", checked.allocated),
        ("fragmented-clusters", checked.fragmented),
        ("compressed-clusters", checked.compressed),
    ] {
        if let Some(value) = value {
            put(key, json!(value));
        }
    }
    let [errors, warnings, notes] = counts(file);
    put("outcome", json!(outcome(file.outcome(levels))));
    put("counts", json!({ "errors": errors, "warnings": warnings, "notes": notes }));
    put("judgements", file.violations.iter().map(violation_json).collect());
    put("more", json!(more(file)));
    put("routes", file.routes.iter().map(route_json).collect());
    put("exports", file.exports.iter().map(export_json).collect());
    if let Some(error) = &file.error {
        put("error", error_json(error));
    }
    object
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fine => "fine",
        Outcome::Warnings => "warnings",
        Outcome::Undone => "not-checked",
        Outcome::Violations => "violations",
    }
}

fn violation_json(violation: &Violation) -> Json {
    let place = &violation.place;
    let mut object = json!({
        "rule": violation.rule.id,
        "severity": severity(violation.severity),
        "fact": violation.fact,
        "bound": violation.bound,
        "source": violation.source,
        "remedy": violation.remedy.as_ref().map(ToString::to_string),
        "route": violation.route,
        "code": place.code.map(|code| code.id),
        "file": place.file,
        "offset": place.at,
        "disk": place.disk.as_ref().map(|disk| json!({ "start": disk.start, "end": disk.end })),
    });
    if let Some(hint) = violation.hint {
        object["hint"] = json!(hint.name());
    }
    object
}

fn export_json(export: &ExportCommand) -> Json {
    json!({ "title": export.title, "format": export.format, "command": export.command })
}

fn route_json(route: &RouteVerdict) -> Json {
    let (verdict, command, condition, reason) = match &route.verdict {
        Verdict::Ready => ("ready", None, None, None),
        Verdict::After { command, condition } => ("after", Some(command), condition.as_ref(), None),
        Verdict::Never { reason } => ("never", None, None, Some(reason)),
    };
    json!({
        "id": route.id, "title": route.title, "verdict": verdict, "command": command,
        "condition": condition, "reason": reason, "blocked-by": route.blocked_by,
        "judgements": route.violations.iter().map(violation_json).collect::<Vec<_>>(),
    })
}

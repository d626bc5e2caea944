//! JSON output: a superset of that of `qemu-img info`.

use imgprep::{
    Counted, DiskInspection, Encryption, Error, Facts, Finding, LayerInfo, Loss, Match, Named, Snapshot,
    Value, printable_json, remedy,
};
use serde_json::{Map, Value as Json, json};

use super::print::severity;

/// A value as indented text.
///
/// Characters that are not printable are escaped. This does not change the values of strings.
pub(crate) fn text(value: &Json) -> String {
    printable_json(&format!("{value:#}\n")).into_owned()
}

/// A value as text on one line, with the same escapes.
pub(crate) fn line(value: &Json) -> String {
    printable_json(&format!("{value}\n")).into_owned()
}

/// One layer: the fields of `qemu-img info`, and additional ones.
pub(crate) fn layer(
    info: &LayerInfo,
    allocation: Option<&Counted>,
    inspection: &DiskInspection,
    findings: &[Finding],
) -> Map<String, Json> {
    let facts = &info.facts;
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| object.insert(key.into(), value);
    put("filename", json!(info.name));
    put("format", json!(facts.format));
    put("variant", json!(facts.variant));
    put("virtual-size", json!(info.size));
    put("actual-size", json!(info.actual_size()));
    put("file-length", json!(info.file_len()));
    put("dirty-flag", json!(facts.dirty));
    if let Some(size) = facts.cluster_size {
        put("cluster-size", json!(size));
    }
    if let Some(encryption) = encryption(facts, inspection) {
        put("encrypted", json!(true));
        put("encryption", json!(encryption));
    }
    if let Some(parent) = &info.parent {
        if parent.is_named() {
            put("backing-filename", json!(parent.name.to_string()));
        }
        if !parent.identities.is_empty() {
            put("backing-identities", json!(parent.identities));
        }
        put("backing-filename-format", json!(parent.format));
    }
    if !facts.snapshots.is_empty() {
        put("snapshots", facts.snapshots.iter().map(snapshot).collect());
    }
    put("format-specific", json!({ "type": facts.format, "data": details(facts) }));
    put("children", json!([{ "name": "file", "info": child(info) }]));
    put(
        "evidence",
        info.evidence.as_ref().map_or(
            Json::Null,
            |found| json!({ "offset": found.at, "length": found.len, "says": found.description }),
        ),
    );
    put("matches", info.matches.iter().map(matched).collect());
    put(
        "allocation",
        match allocation {
            Some(Counted::Whole(sum)) => {
                json!({ "data": sum.data, "compressed": sum.compressed, "zero": sum.zeros, "parent": sum.parent })
            }
            _ => Json::Null,
        },
    );
    put("contents", Json::Null);
    for (key, found) in inspection.facts.iter().flat_map(imgprep::DiskFacts::details) {
        put(key, value(&found));
    }
    put("findings", findings.iter().map(finding).collect());
    object
}

fn child(info: &LayerInfo) -> Json {
    let format = if info.is_device() { "host_device" } else { "file" };
    json!({
        "filename": info.name, "format": format, "virtual-size": info.file_len(),
        "actual-size": info.actual_size(), "dirty-flag": false, "children": [],
        "format-specific": { "type": format, "data": {} },
    })
}

/// Encryption of the format, or else of a disk that is encrypted as a whole.
///
/// `qemu-img` reports LUKS in the same way.
fn encryption(facts: &Facts, inspection: &DiskInspection) -> Option<String> {
    Some(match (facts.encryption, inspection.facts.as_ref().map(|facts| facts.contents)) {
        (Some(Encryption::Aes), _) => "aes".into(),
        (Some(Encryption::Luks), _) => "luks".into(),
        (Some(Encryption::Other(number)), _) => format!("method {number}"),
        (None, Some(imgprep::Contents::Volume(volume))) if volume.is_encrypted => {
            if volume.name.starts_with("LUKS") { "luks".into() } else { volume.name.to_ascii_lowercase() }
        }
        _ => return None,
    })
}

/// A format that matches the contents of a file.
pub(crate) fn matched(found: &Match) -> Json {
    json!({
        "format": found.name, "offset": found.evidence.at, "length": found.evidence.len,
        "says": found.evidence.description, "bytes": found.hex(), "readable": found.is_readable(),
    })
}

fn details(facts: &Facts) -> Json {
    facts.details.iter().map(|(key, found)| ((*key).to_string(), value(found))).collect::<Map<_, _>>().into()
}

pub(crate) fn value(found: &Value) -> Json {
    match found {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::List(list) => list.iter().map(value).collect(),
        Value::Table(table) => {
            table.iter().map(|(key, found)| ((*key).to_string(), value(found))).collect::<Map<_, _>>().into()
        }
    }
}

fn snapshot(found: &Snapshot) -> Json {
    json!({
        "id": found.id, "name": found.name, "vm-state-size": found.vm_state_size, "date-sec": found.date_sec,
        "date-nsec": found.date_nsec, "vm-clock-sec": found.vm_clock_nsec / 1_000_000_000,
        "vm-clock-nsec": found.vm_clock_nsec % 1_000_000_000, "icount": found.icount, "disk-size": found.disk_size,
    })
}

pub(crate) fn finding(found: &Finding) -> Json {
    json!({
        "code": found.code.id, "severity": severity(found.severity), "offset": found.at, "message": found.message,
    })
}

pub(crate) fn unopened(named: &Named) -> Json {
    json!({ "name": named.name, "reason": error_json(&named.reason) })
}

pub(crate) fn loss_json(loss: &Loss) -> Json {
    json!({ "start": loss.disk.start, "end": loss.disk.end, "code": loss.code.id, "message": loss.message })
}

/// `{code, class, message, file, offset, disk}`.
pub(crate) fn error_json(error: &Error) -> serde_json::Value {
    let disk = error.disk().map(|disk| json!({ "start": disk.start, "end": disk.end }));
    let mut object = json!({
        "code": error.code().id,
        "class": error.class().name(),
        "message": error.to_string(),
        "file": error.path(),
        "offset": error.at(),
        "disk": disk,
    });
    if let Some(remedy) = remedy(error) {
        object["remedy"] = json!(remedy.to_string());
    }
    if let Some(hint) = error.hint() {
        object["hint"] = json!(hint.name());
    }
    object
}

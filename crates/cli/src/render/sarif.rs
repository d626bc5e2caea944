//! Results of a check as SARIF 2.1.0.
//!
//! A disk has no lines. `startLine` is 1 for viewers that require it, and `byteOffset` is the location.

use std::collections::HashMap;
use std::io::{self, Write};

use imgprep::policy::{RULES, Violation};
use imgprep::{CheckedFile, Severity};
use serde_json::{Value as Json, json};

use super::findings::{left_out, message};

pub(crate) fn write(out: &mut dyn Write, files: &[CheckedFile]) -> io::Result<()> {
    let results: Vec<Json> = files.iter().flat_map(results).collect();
    let is_whole = files.iter().all(|file| file.error.is_none());
    let notices: Vec<Json> = files.iter().filter_map(notice).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imgprep",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| json!({
                    "id": rule.id,
                    "shortDescription": { "text": rule.requirement },
                    "fullDescription": { "text": rule.why },
                    "help": { "text": if rule.remedies.is_empty() { rule.why.to_string() } else { rule.remedies.iter().map(ToString::to_string).collect::<Vec<_>>().join("; else: ") } },
                    "defaultConfiguration": { "level": level(rule.severity) },
                })).collect::<Vec<_>>(),
            } },
            "invocations": [{ "executionSuccessful": is_whole, "toolExecutionNotifications": notices }],
            "results": results,
        }],
    });
    out.write_all(super::json::text(&log).as_bytes())
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn notice(file: &CheckedFile) -> Option<Json> {
    let error = file.error.as_ref()?;
    Some(json!({
        "level": "error",
        "message": { "text": error.to_string() },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&file.name) } } }],
    }))
}

fn results(file: &CheckedFile) -> Vec<Json> {
    // The n-th finding of a rule keeps its fingerprint even if the numbers in its message change.
    let mut seen: HashMap<(&str, Option<&str>, &str), u64> = HashMap::new();
    let mut all = Vec::new();
    for violation in &file.violations {
        let name = violation.place.file.as_ref().unwrap_or(&file.name);
        let nth = seen
            .entry((violation.rule.id.name(), violation.place.code.map(|code| code.id), name))
            .or_default();
        all.push(result(name, violation, *nth));
        *nth += 1;
    }
    all.extend(left_out(file).map(|more| {
        let print = format!("{}|more|{}|{}", more.rule, level(more.severity), file.name);
        let region = json!({ "startLine": 1 });
        entry(&file.name, more.rule, more.severity, &more.message(), &region, &print)
    }));
    all
}

fn result(name: &str, violation: &Violation, nth: u64) -> Json {
    let mut region = json!({ "startLine": 1 });
    if let Some(at) = violation.place.at.filter(|at| i64::try_from(*at).is_ok()) {
        region["byteOffset"] = json!(at);
    }
    let print =
        format!("{}|{}|{}|{nth}", violation.rule.id, violation.place.code.map_or("", |code| code.id), name);
    entry(name, violation.rule.id.name(), violation.severity, &message(violation), &region, &print)
}

/// One result, with a fingerprint that is the hash of `print`.
fn entry(name: &str, rule: &str, severity: Severity, text: &str, region: &Json, print: &str) -> Json {
    json!({
        "ruleId": rule,
        "ruleIndex": RULES.iter().position(|known| known.id.name() == rule),
        "level": level(severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(name) },
            "region": region,
        } }],
        "partialFingerprints": { "imgprepFinding/v1": format!("{:016x}", hash(print)) },
    })
}

/// FNV-1a hash, which is the same in every version and on every machine.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A path as a relative reference, or as a `file:` URI if it is absolute.
fn uri(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte);
    let escaped: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if name.starts_with('/') {
        format!("file://{escaped}")
    } else {
        escaped.trim_start_matches("./").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_uris() {
        assert_eq!(uri("images/my disk.raw"), "images/my%20disk.raw");
        assert_eq!(uri("./a:b"), "a%3Ab");
        assert_eq!(uri("/tmp/a"), "file:///tmp/a");
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}

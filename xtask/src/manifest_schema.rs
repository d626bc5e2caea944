//! `schemas/batch-manifest.schema.json`: the target formats and their options, from the table of the library.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use imgprep::{TARGETS, TargetFormat, TargetOption};
use serde_json::{Value, json};

pub(crate) const NAME: &str = "schemas/batch-manifest.schema.json";

/// The schema in the workspace, with the formats and options of the table.
pub(crate) fn page(root: &Path) -> String {
    let text = fs::read_to_string(root.join(NAME)).unwrap_or_default();
    match serde_json::from_str(&text) {
        Ok(schema) => filled(schema),
        Err(error) => format!("{error}\n"),
    }
}

fn filled(mut schema: Value) -> String {
    for settings in ["/properties/defaults/properties", "/properties/image/items/properties"] {
        if let Some(properties) = schema.pointer_mut(settings) {
            properties["to"]["enum"] = TARGETS.iter().flat_map(names).collect();
            properties["options"] = options();
        }
    }
    format!("{schema:#}\n")
}

fn names(format: &TargetFormat) -> impl Iterator<Item = &'static str> {
    std::iter::once(format.name).chain(format.aliases.iter().copied())
}

/// All options of all formats; a value may be a string, a number or a flag.
fn options() -> Value {
    let mut properties: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for format in TARGETS {
        for option in format.options {
            properties.entry(option.key).or_default().push(described(format, option));
        }
    }
    let properties: serde_json::Map<_, _> = properties
        .into_iter()
        .map(|(key, described)| {
            let types = ["string", "integer", "boolean"];
            (key.to_string(), json!({ "type": types, "description": described.join(" ") }))
        })
        .collect();
    json!({
        "type": "object",
        "description": "Options of the target format.",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn described(format: &TargetFormat, option: &TargetOption) -> String {
    let TargetOption { values, default, about, .. } = option;
    format!("{}: {about} ({values}; default: {default}).", format.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_of_each_format_is_a_property_of_both_tables() {
        let empty = json!({ "properties": {} });
        let schema = json!({ "properties": { "defaults": empty, "image": { "items": empty } } });
        let schema: Value = serde_json::from_str(&filled(schema)).unwrap();
        for settings in ["/properties/defaults/properties", "/properties/image/items/properties"] {
            let properties = schema.pointer(settings).unwrap();
            for format in TARGETS {
                assert!(properties["to"]["enum"].as_array().unwrap().contains(&format.name.into()));
                for option in format.options {
                    let text = properties["options"]["properties"][option.key]["description"].as_str();
                    let text = text.unwrap_or_else(|| panic!("{} is missing", option.key));
                    assert!(text.contains(&format!("{}: {}", format.name, option.about)), "{text}");
                }
            }
        }
    }
}

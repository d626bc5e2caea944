//! Which crate may use which.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crate and the crates of this workspace that it may depend on. What is not here must not be.
const ARROWS: &[(&str, &[&str])] = &[
    ("imgprep-map", &[]),
    ("imgprep-qcow", &["imgprep-map"]),
    ("imgprep-qcow2", &["imgprep-map"]),
    ("imgprep-qed", &["imgprep-map"]),
    ("imgprep-raw", &["imgprep-map"]),
    ("imgprep-vdi", &["imgprep-map"]),
    ("imgprep-vhd", &["imgprep-map"]),
    ("imgprep-vhdx", &["imgprep-map"]),
    ("imgprep-vmdk", &["imgprep-map"]),
    ("imgprep-zvhd", &["imgprep-map"]),
    (
        "imgprep-catalog",
        &[
            "imgprep-map",
            "imgprep-qcow",
            "imgprep-qcow2",
            "imgprep-qed",
            "imgprep-raw",
            "imgprep-vdi",
            "imgprep-vhd",
            "imgprep-vhdx",
            "imgprep-vmdk",
            "imgprep-zvhd",
        ],
    ),
    ("imgprep-io", &["imgprep-map"]),
    ("imgprep-open", &["imgprep-catalog", "imgprep-io", "imgprep-map"]),
    ("imgprep-codec", &["imgprep-map"]),
    ("imgprep-disk", &["imgprep-map"]),
    ("imgprep-engine", &["imgprep-codec", "imgprep-map"]),
    ("imgprep-policy", &["imgprep-map"]),
    (
        "imgprep",
        &[
            "imgprep-catalog",
            "imgprep-codec",
            "imgprep-disk",
            "imgprep-engine",
            "imgprep-io",
            "imgprep-map",
            "imgprep-open",
            "imgprep-policy",
            "imgprep-raw",
            "imgprep-zvhd",
        ],
    ),
    ("imgprep-batch", &["imgprep"]),
    ("imgprep-cli", &["imgprep", "imgprep-batch"]),
    ("imgprep-testdata-gen", &[]),
    ("imgprep-tests", &["imgprep-map", "imgprep-testdata-gen"]),
    ("xtask", &["imgprep", "imgprep-batch"]),
];

/// Holds `cargo metadata` against the arrows and the lints.
pub(crate) fn check_workspace(root: &Path) -> Vec<String> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output();
    let metadata = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
    metadata.map_or_else(|| vec!["cargo metadata can't be read".into()], |metadata| check(&metadata))
}

fn check(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
            found.push(format!("{name}: a crate without a place in the architecture"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_ours = ARROWS.iter().any(|(of, _)| *of == used);
            if is_ours && dependency["kind"].is_null() && !allowed.contains(&used) {
                found.push(format!("{name}: must not use {used}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_arrow_that_is_not_drawn_is_found() {
        let metadata = json!({ "packages": [
            { "name": "imgprep-map", "dependencies": [{ "name": "imgprep-io", "kind": null }] },
            { "name": "imgprep-io", "dependencies": [{ "name": "imgprep-map", "kind": null }, { "name": "imgprep", "kind": "dev" }] },
            { "name": "imgprep-util", "dependencies": [] },
        ] });
        assert_eq!(
            check(&metadata),
            [
                "imgprep-map: must not use imgprep-io",
                "imgprep-util: a crate without a place in the architecture"
            ]
        );
    }
}

//! Which crate may use which.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::circles;

/// The crates that a crate may depend on, by the names of crates without `imgprep-`.
/// A crate without a row must not be there.
const ARROWS: &[(Crates, &[Crates])] = &[
    (Crates::One("map"), &[]),
    (Crates::One(KIT), &[Crates::One("map")]),
    (Crates::Formats, &[Crates::One(KIT), Crates::One("map")]),
    (Crates::One("catalog"), &[Crates::One("map"), Crates::Formats]),
    (Crates::One("io"), &[Crates::One("map")]),
    (Crates::One("open"), &[Crates::One("catalog"), Crates::One("io"), Crates::One("map")]),
    (Crates::One("codec"), &[Crates::One("map")]),
    (Crates::One("disk"), &[Crates::One("map")]),
    (Crates::One("engine"), &[Crates::One("codec"), Crates::One("map")]),
    (Crates::One("policy"), &[Crates::One("map")]),
    (Crates::One("imgprep"), &[Crates::Libraries, Crates::Formats]),
    (Crates::One("batch"), &[Crates::One("imgprep")]),
    (Crates::One("cli"), &[Crates::One("imgprep"), Crates::One("batch")]),
    (Crates::One("testdata-gen"), &[]),
    (Crates::One("tests"), &[Crates::One("map"), Crates::One("testdata-gen")]),
    (Crates::One("xtask"), &[Crates::One("imgprep"), Crates::One("batch")]),
];

/// What the formats share: the one exception to "no format depends on another".
const KIT: &str = "format-kit";

/// Some crates of the workspace.
#[derive(Clone, Copy)]
enum Crates {
    /// The crate of this name.
    One(&'static str),
    /// Those in `crates/formats`, except the kit that they share.
    Formats,
    /// Those that `imgprep` puts together.
    Libraries,
}

const LIBRARIES: &[&str] = &["catalog", "codec", "disk", "engine", "io", "map", "open", "policy"];

/// A crate of the workspace as `cargo metadata` describes it.
struct Package<'a> {
    name: &'a str,
    manifest: &'a str,
}

impl Package<'_> {
    fn is_in(&self, crates: Crates) -> bool {
        let name = self.name.strip_prefix("imgprep-").unwrap_or(self.name);
        match crates {
            Crates::One(of) => name == of,
            Crates::Formats => name != KIT && self.manifest.contains("/crates/formats/"),
            Crates::Libraries => LIBRARIES.contains(&name),
        }
    }
}

/// Checks `cargo metadata` against the arrows, and each crate for circles of files.
pub(crate) fn check_workspace(root: &Path) -> Vec<String> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output();
    let metadata = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
    let Some(metadata) = metadata else { return vec!["cargo metadata cannot be read".into()] };
    let mut found = check(&metadata);
    let workspace = metadata["workspace_root"].as_str().unwrap_or_default();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let entry = target["src_path"].as_str().unwrap_or_default();
            found.extend(circles::check_crate(Path::new(workspace), Path::new(entry)));
        }
    }
    found
}

fn check(metadata: &Value) -> Vec<String> {
    let packages: Vec<_> = metadata["packages"].as_array().into_iter().flatten().collect();
    let ours: Vec<_> = packages
        .iter()
        .map(|package| Package {
            name: package["name"].as_str().unwrap_or_default(),
            manifest: package["manifest_path"].as_str().unwrap_or_default(),
        })
        .collect();
    let mut found = Vec::new();
    for (package, of) in packages.iter().zip(&ours) {
        let Some((_, allowed)) = ARROWS.iter().find(|(crates, _)| of.is_in(*crates)) else {
            found.push(format!("{}: a crate without a place in the architecture", of.name));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_forbidden = ours
                .iter()
                .any(|other| other.name == used && !allowed.iter().any(|crates| other.is_in(*crates)));
            if is_forbidden && dependency["kind"].is_null() {
                found.push(format!("{}: must not use {used}", of.name));
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
        let raw = "/w/crates/formats/raw/Cargo.toml";
        let vhd = "/w/crates/formats/vhd/Cargo.toml";
        let kit = "/w/crates/formats/kit/Cargo.toml";
        let metadata = json!({ "packages": [
            { "name": "imgprep-map", "dependencies": [{ "name": "imgprep-io", "kind": null }] },
            { "name": "imgprep-io", "dependencies": [{ "name": "imgprep-map", "kind": null }, { "name": "imgprep", "kind": "dev" }] },
            { "name": "imgprep-catalog", "dependencies": [{ "name": "imgprep-vhd", "kind": null }, { "name": "imgprep-format-kit", "kind": null }] },
            { "name": "imgprep-format-kit", "manifest_path": kit, "dependencies": [{ "name": "imgprep-raw", "kind": null }] },
            { "name": "imgprep-raw", "manifest_path": raw, "dependencies": [{ "name": "imgprep-map", "kind": null }] },
            { "name": "imgprep-vhd", "manifest_path": vhd, "dependencies": [{ "name": "imgprep-raw", "kind": null }, { "name": "imgprep-format-kit", "kind": null }] },
            { "name": "imgprep-util", "dependencies": [] },
        ] });
        assert_eq!(
            check(&metadata),
            [
                "imgprep-map: must not use imgprep-io",
                "imgprep-catalog: must not use imgprep-format-kit",
                "imgprep-format-kit: must not use imgprep-raw",
                "imgprep-vhd: must not use imgprep-raw",
                "imgprep-util: a crate without a place in the architecture"
            ]
        );
    }
}

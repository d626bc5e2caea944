//! Headers that declare more than any machine has cost next to no memory, whatever the command.

use std::sync::OnceLock;

use testdata_gen::{ResourceBomb, resource_bombs};

use crate::support::program::{bounded, command, printed};

/// KiB of memory that a process may have beside its program and the files that it maps.
pub(crate) const BOUND_KIB: u64 = 32 << 10;

fn all() -> &'static [ResourceBomb] {
    static ALL: OnceLock<Vec<ResourceBomb>> = OnceLock::new();
    ALL.get_or_init(resource_bombs)
}

/// Both commands answer with an object, and none dies.
pub(crate) fn cost_little(format: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let of_format: Vec<_> = all().iter().filter(|bomb| bomb.format == format).collect();
    assert!(of_format.len() >= 4, "{format}");
    for bomb in of_format {
        let path = bomb.write(folder.path()).unwrap();
        let name = path.display().to_string();
        for asked in ["info", "check"] {
            let asking = command(folder.path(), &[asked, "--output", "json", &name]);
            let output = bounded(&asking, BOUND_KIB).output().unwrap();
            let is_object = serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok();
            // An error for lack of memory or threads is not a cheap answer.
            let is_starved =
                ["engine.memory", "engine.threads"].iter().any(|code| printed(&output).contains(code));
            if is_starved || !is_object || !matches!(output.status.code(), Some(0..=3)) {
                wrong.push(format!("{asked} {}: {}: {}", bomb.name, output.status, printed(&output)));
            }
        }
        std::fs::remove_file(path).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! Headers that declare more than any machine has cost next to no memory, in every format, whatever is asked.

use std::process::Command;
use std::sync::OnceLock;

use testdata_gen::{ResourceBomb, resource_bombs};

use crate::support::program::{bounded, command, said};

/// Bytes of memory that a process may have beside its program and the files that it maps, in KiB.
const BOUND_KIB: u64 = 32 << 10;

fn all() -> &'static [ResourceBomb] {
    static ALL: OnceLock<Vec<ResourceBomb>> = OnceLock::new();
    ALL.get_or_init(resource_bombs)
}

/// Both commands answer with an object, and none dies.
fn cost_little(format: &str) {
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
            // Refused for want of memory or of threads is not cheap, it is not done.
            let is_starved =
                ["engine.memory", "engine.threads"].iter().any(|code| said(&output).contains(code));
            if is_starved || !is_object || !matches!(output.status.code(), Some(0..=3)) {
                wrong.push(format!("{asked} {}: {}: {}", bomb.name, output.status, said(&output)));
            }
        }
        std::fs::remove_file(path).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_bound_bites() {
    let twice = format!("x=$(head -c {} /dev/zero | tr '\\0' x)", BOUND_KIB * 2048);
    let mut shell = Command::new("bash");
    shell.args(["-c", &twice]);
    assert!(!bounded(&shell, BOUND_KIB).status().unwrap().success());
    assert!(bounded(&shell, BOUND_KIB * 16).status().unwrap().success());
}

#[test]
fn resource_bombs_of_qcow2() {
    cost_little("qcow2");
}

#[test]
fn resource_bombs_of_qcow() {
    cost_little("qcow");
}

#[test]
fn resource_bombs_of_qed() {
    cost_little("qed");
}

#[test]
fn resource_bombs_of_vdi() {
    cost_little("vdi");
}

#[test]
fn resource_bombs_of_vhd() {
    cost_little("vhd");
}

#[test]
fn resource_bombs_of_vhdx() {
    cost_little("vhdx");
}

#[test]
fn resource_bombs_of_vmdk() {
    cost_little("vmdk");
}

#[test]
fn resource_bombs_of_zvhd() {
    cost_little("zvhd");
    cost_little("zvhd2");
}

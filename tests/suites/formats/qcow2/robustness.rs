//! Files cut at any length, and headers that declare more than any machine has.

use std::fs::File;

use serde_json::Value;
use testdata_gen::{Cell, Qcow2};

use crate::support::cuts::cut_all;
use crate::support::program::{command, printed};
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_qcow2_is_never_read_as_another_disk() {
    let names = [
        "qcow2-v3-9",
        "qcow2-zlib-12",
        "qcow2-shuffled-16",
        "qcow2-zstd-10",
        "qcow2-subclusters",
        "qcow2-over-raw",
        "qcow2-v2-14",
    ];
    cut_all(&names, 60);
}

#[test]
fn resource_bombs_of_qcow2_need_little_memory() {
    cost_little("qcow2");
}

#[test]
fn header_that_declares_huge_tables_needs_little_memory() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let base =
        Qcow2 { cells: [(0, Cell::Data(vec![1; 65536]))].into(), ..Qcow2::new(16, 1 << 20) }.write().file;
    let edits: &[(&str, &[(usize, &[u8])])] = &[
        ("16 EiB of disk", &[(24, &[0xff; 8])]),
        ("2^32 L1 entries", &[(36, &[0xff; 4])]),
        ("2^32 clusters of refcount table", &[(56, &[0xff; 4])]),
        ("2^32 snapshots", &[(60, &[0xff; 4])]),
        ("a refcount table at 2^63", &[(48, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0])]),
        ("64 KiB of all ones", &[(4096, &[0xff; 4096])]),
        ("a snapshot table over everything", &[(60, &[0, 0, 255, 255, 0, 0, 0, 0, 0, 1, 0, 0])]),
    ];
    for (name, edit) in edits {
        for len in [base.len() as u64, 1 << 42] {
            let mut file = base.clone();
            for (at, bytes) in *edit {
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            std::fs::write(folder.join("bomb.qcow2"), &file).unwrap();
            File::options().write(true).open(folder.join("bomb.qcow2")).unwrap().set_len(len).unwrap();
            // Not more than the mapping of the file and 400 MiB, of which the program's own code is the most;
            // not more than 20 s of processor time, also on the slowest of machines.
            let limit = len / 1024 + (400 << 10);
            let program = command(folder, &[]).get_program().to_os_string();
            let script = format!(
                "ulimit -v {limit}; ulimit -t 20; exec \"$0\" check --deep -j 1 --output json bomb.qcow2"
            );
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .arg(program)
                .current_dir(folder)
                .output()
                .unwrap();
            let json: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("{name} in {len} bytes: {error}: {}", printed(&output)));
            assert!(output.status.code().is_some(), "{name} in {len} bytes: {json:#}");
        }
    }
}

//! Files and reports of the tests of the command line.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use testdata_gen::{Cell, Noise, Qcow2};

use crate::support::program::said;

pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

pub(crate) fn qcow2() -> Vec<u8> {
    let cells = BTreeMap::from([(0, Cell::Data(Noise::new(3).bytes(65536)))]);
    Qcow2 { cells, ..Qcow2::new(16, 1 << 20) }.write().file
}

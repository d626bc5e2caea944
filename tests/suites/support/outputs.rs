//! Folders and outputs of rejected commands.

use std::fs;
use std::path::Path;

use testdata_gen::{Cell, Qcow2};

use crate::support::program::{imgprep, names, printed};

pub(crate) const MIB: usize = 1 << 20;

/// All names in a folder with their contents.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    names(folder)
        .into_iter()
        .map(|name| (fs::read(folder.join(&name)).unwrap_or_default(), name))
        .map(|(bytes, name)| (name, bytes))
        .collect()
}

/// A disk of 64 KiB of data in an overlay of 128 KiB over `base.raw`.
pub(crate) fn overlay(folder: &Path) -> Vec<u8> {
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.cells.insert(1, Cell::Data(vec![7; 1 << 16]));
    recipe.backing = Some(("base.raw".into(), Some("raw".into())));
    let base = vec![3; 2 << 16];
    fs::write(folder.join("base.raw"), &base).unwrap();
    fs::write(folder.join("top.qcow2"), recipe.write().file).unwrap();
    [&base[..1 << 16], &vec![7; 1 << 16]].concat()
}

/// Runs a command that must be rejected with this code and change nothing.
#[track_caller]
pub(crate) fn refused(folder: &Path, args: &[&str], code: &str) -> String {
    let before = contents(folder);
    let output = imgprep(folder, args);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert!(text.contains(code), "{args:?}: {text}");
    assert!(contents(folder) == before, "{args:?} changed a file");
    text
}

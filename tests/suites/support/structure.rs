//! The structure check of a disk's top layer, and what it costs.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep::{Disk, Error, Finding, OpenOptions, SourceFile, SourceOptions, StructureCounts};
use imgprep_engine::Layer;
use imgprep_map::{DiskMap, Files, ReadAt, ReadError};

use crate::support::library::open;
use crate::support::program::printed;

/// Numbers and findings.
pub(crate) fn check(disk: &Disk) -> (StructureCounts, Vec<Finding>) {
    let mut findings = Vec::new();
    let checked = disk.check_structure(0, &mut |finding| {
        findings.push(finding);
        ControlFlow::Continue(())
    });
    (checked.unwrap_or_else(|error| panic!("{error}")), findings)
}

/// The reads of the files of a layer, counted. The counts are the same on every machine under any load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Bytes that were read or mapped.
    pub(crate) bytes: Arc<AtomicU64>,
    /// Reads, mapped reads, and queries for holes.
    pub(crate) calls: Arc<AtomicU64>,
}

impl Asked {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What a walk over the tables of an image asks of its files, and how it ends.
pub(crate) fn cost_of_walk(path: &Path) -> (Asked, Result<(), Error>) {
    cost(path, |map, files, size| map.visit(files, 0..size, &mut |_| ControlFlow::Continue(())))
}

/// What the structure check asks of them.
pub(crate) fn cost_of_check(path: &Path) -> Asked {
    let (asked, checked) =
        cost(path, |map, files, _| map.check(files, &mut |_| ControlFlow::Continue(())).map(|_| ()));
    checked.unwrap_or_else(|error| panic!("{error}"));
    asked
}

fn cost(
    path: &Path,
    work: impl FnOnce(&dyn DiskMap, &dyn Files, u64) -> Result<(), Error>,
) -> (Asked, Result<(), Error>) {
    let file = SourceFile::open(path, SourceOptions::default()).unwrap();
    let chain = imgprep::open_source("image".into(), file, &imgprep::OpenOptions::default()).unwrap();
    let asked = Asked::default();
    let wrap =
        |file: Arc<dyn ReadAt>| -> Arc<dyn ReadAt> { Arc::new(Counted { file, asked: asked.clone() }) };
    let files: Vec<_> = chain.top().readers().into_iter().map(wrap).collect();
    let image = &chain.top().image;
    let done = work(&*image.map, &files, image.size);
    (asked, done)
}

pub(crate) struct Counted {
    pub(crate) file: Arc<dyn ReadAt>,
    pub(crate) asked: Asked,
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.asked.count(buf.len() as u64);
        self.file.read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let bytes = self.file.mapped(range)?;
        self.asked.count(bytes.len() as u64);
        Some(bytes)
    }

    fn next_data(&self, at: u64) -> u64 {
        self.asked.count(0);
        self.file.next_data(at)
    }

    fn next_hole(&self, at: u64) -> u64 {
        self.asked.count(0);
        self.file.next_hole(at)
    }
}

/// The top layer of an image, with its reads counted.
pub(crate) fn counted(path: &Path) -> (Layer, Asked) {
    let file = SourceFile::open(path, SourceOptions::default()).unwrap();
    let mut chain = imgprep::open_source("image".into(), file, &OpenOptions::default()).unwrap();
    let asked = Asked::default();
    let top = chain.layers.remove(0);
    let wrap =
        |file: Arc<dyn ReadAt>| -> Arc<dyn ReadAt> { Arc::new(Counted { file, asked: asked.clone() }) };
    let (files, names) = (top.readers().into_iter().map(wrap).collect(), top.names());
    let image = *top.image;
    (Layer { map: image.map, files, names }, asked)
}

/// Asserts that both checkers count the same in an image: corruptions, leaks, and of QED the clusters.
pub(crate) fn compare_with_qemu(folder: &Path, image: &str, what: &str) -> StructureCounts {
    let theirs = Command::new("qemu-img")
        .args(["check", "--output", "json", image])
        .current_dir(folder)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&theirs.stdout)
        .unwrap_or_else(|_| panic!("{what}: qemu-img gives up: {}", printed(&theirs)));
    let number = |key: &str| json[key].as_u64().unwrap_or(0);
    let disk = open(&folder.join(image), None).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (checked, findings) = check(&disk);
    assert_eq!(checked.corruptions, number("corruptions"), "{what}: {findings:#?} {}", printed(&theirs));
    if disk.layers()[0].facts.format == "qed" {
        let ours = (checked.leaks, checked.total, checked.allocated, checked.fragmented);
        let theirs = (
            number("leaks"),
            Some(number("total-clusters")),
            Some(number("allocated-clusters")),
            Some(number("fragmented-clusters")),
        );
        assert_eq!(ours, theirs, "{what}: {findings:#?}");
    }
    checked
}

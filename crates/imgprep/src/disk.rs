//! An opened disk: its layers, described, and the stack that the engine reads.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use imgprep_engine::{Layer as EngineLayer, Piece, Stack};
use imgprep_io::SourceFile;
use imgprep_map::{Error, Evidence, Facts, FileRef, Finding, Image, ParentRef, ReadAt, Severity, Source};
use imgprep_open::{Chain, Layer, Named, OpenOptions};

use crate::FaceError;

/// Extents after which an inspector stops counting: a second's work.
const COUNTED_EXTENTS: u64 = 4_000_000;

/// What is known of one layer.
#[derive(Debug)]
pub struct LayerInfo {
    /// Its file's name.
    pub name: String,
    /// Length of its disk, in bytes.
    pub size: u64,
    /// What speaks for its format; nothing for RAW.
    pub evidence: Option<Evidence>,
    /// What the format says.
    pub facts: Facts,
    /// Oddities.
    pub findings: Vec<Finding>,
    /// The layer below, as the image names it.
    pub parent: Option<ParentRef>,
    /// Other files of this layer, as the image names them.
    pub companions: Vec<FileRef>,
    files: Vec<Arc<SourceFile>>,
}

impl LayerInfo {
    /// Length of the image's own file, in bytes.
    pub fn file_len(&self) -> u64 {
        self.files.first().map_or(0, |file| file.len())
    }

    /// Bytes that all files of the layer take on their file systems.
    pub fn actual_size(&self) -> u64 {
        self.files.iter().map(|file| file.actual_size()).sum()
    }

    /// Whether it is a block device.
    pub fn is_device(&self) -> bool {
        self.files.first().is_some_and(|file| file.is_device())
    }
}

/// How much of a layer's disk is stored how, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// As it is.
    pub data: u64,
    /// Packed.
    pub packed: u64,
    /// Zeros, stored or not.
    pub zeros: u64,
    /// Asked from the layer below.
    pub parent: u64,
}

/// A disk, ready to be read.
pub struct Disk {
    layers: Vec<LayerInfo>,
    unopened: Vec<Named>,
    stack: Stack,
}

impl Disk {
    /// Opens an image and what it needs.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Ok(Self::from_chain(imgprep_open::open(path, options)?))
    }

    /// From a chain that is open already.
    pub fn from_chain(chain: Chain) -> Self {
        let mut layers = chain.layers.into_iter().map(split);
        // OK: a chain has at least the image that the user named.
        let Some((info, top)) = layers.next() else { unreachable!("a chain without layers") };
        let (infos, below): (Vec<_>, Vec<_>) = layers.unzip();
        let mut all = vec![info];
        all.extend(infos);
        Self { layers: all, unopened: chain.unopened, stack: Stack::new(top, below) }
    }

    /// Length of the disk, in bytes.
    pub fn size(&self) -> u64 {
        self.stack.size()
    }

    /// Its layers, top first.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// Files that are named and were not opened: then the disk can be described, not read.
    pub fn unopened(&self) -> &[Named] {
        &self.unopened
    }

    /// How the layer `index` stores its disk; `None` if that takes too long to count.
    /// What can't be walked becomes a finding.
    pub fn allocation(&self, index: usize) -> (Option<Allocation>, Option<Finding>) {
        let Some(layer) = self.stack.layers().get(index) else { return (None, None) };
        let mut counted = Allocation::default();
        let mut extents = 0;
        let walked = layer.map.visit(&layer.files, 0..u64::MAX, &mut |extent| {
            let len = extent.disk.end - extent.disk.start;
            match extent.source {
                Source::Zero { .. } => counted.zeros += len,
                Source::Data { .. } => counted.data += len,
                Source::Packed { .. } => counted.packed += len,
                Source::Parent => counted.parent += len,
            }
            extents += 1;
            if extents < COUNTED_EXTENTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match walked {
            Ok(()) => ((extents < COUNTED_EXTENTS).then_some(counted), None),
            Err(error) => {
                let (code, at, message) = (error.code(), error.at(), error.to_string());
                (None, Some(Finding { code, severity: Severity::Error, at, message }))
            }
        }
    }

    /// Walks the pieces of the disk, in order; they tile it.
    pub fn pieces(&self, visitor: &mut dyn FnMut(Piece) -> ControlFlow<()>) -> Result<(), Error> {
        self.check_complete()?;
        self.stack.visit(0..u64::MAX, visitor)?;
        self.stack.sound()
    }

    /// Whether a running QEMU writes to it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.files().any(|file| file.has_writer())
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// All that must be so before the first byte is read for a conversion.
    pub(crate) fn check_readable(&self) -> Result<(), Error> {
        self.check_complete()?;
        let in_use = self.files().find(|file| file.has_writer());
        in_use.map_or(Ok(()), |file| {
            Err(Error::new(FaceError::InUse).in_path(file.path().display().to_string()))
        })
    }

    /// All that must still be so after the last one.
    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        self.stack.sound()?;
        self.files().try_for_each(|file| {
            file.unchanged().map_err(|error| Error::new(error).in_path(file.path().display().to_string()))
        })
    }

    pub(crate) fn reads_from(&self, path: &Path) -> bool {
        self.files().any(|file| imgprep_io::is_same_file(path, file.identity()))
    }

    fn files(&self) -> impl Iterator<Item = &Arc<SourceFile>> {
        self.layers.iter().flat_map(|layer| &layer.files)
    }

    fn check_complete(&self) -> Result<(), Error> {
        let Some(missing) = self.unopened.first() else { return Ok(()) };
        let shut = imgprep_open::ChainError::Shut {
            at: missing.reason.at().unwrap_or(0),
            name: missing.name.clone(),
        };
        let path = missing.reason.path().unwrap_or_default().to_string();
        Err(Error::new(shut).in_path(path))
    }
}

/// What describes a layer, and what the engine reads.
fn split(layer: Layer) -> (LayerInfo, EngineLayer) {
    let (files, names, readers) = (layer.files.clone(), layer.names(), layer.readers());
    let Image { size, parent, files: companions, facts, mut findings, map, .. } = *layer.image;
    findings.extend(layer.detection.findings);
    let info = LayerInfo {
        name: layer.name,
        size,
        evidence: layer.detection.evidence,
        facts,
        findings,
        parent,
        companions,
        files,
    };
    (info, EngineLayer { map, files: readers, names })
}

//! An open disk: the description of its layers, and the stack that the engine reads.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use imgprep_catalog::Match;
use imgprep_engine::{
    Interrupt, Layer as EngineLayer, Options, ResolvedExtent, Stack, check_unused, cross_check,
};
use imgprep_io::{FileIdentity, ImageFile};
use imgprep_map::{Error, Evidence, Facts, FileRef, Finding, Image, ParentRef, StructureCounts};
use imgprep_open::{Chain, DetectedFile, Layer, Named, OpenOptions, ProbedFile};

use crate::RequestError;
use crate::allocation::{Counted, count, counted_tables};
use crate::contents::{DiskInspection, inspect};

/// The description of one layer.
#[derive(Debug)]
pub struct LayerInfo {
    /// Its file's name.
    pub name: String,
    /// Length of its disk, in bytes.
    pub size: u64,
    /// The evidence for its format; `None` for RAW.
    pub evidence: Option<Evidence>,
    /// All formats that its bytes match.
    pub matches: Vec<Match>,
    /// Bytes of a logical sector.
    pub sector: u32,
    /// Facts from the header of the format.
    pub facts: Facts,
    /// Anomalies.
    pub findings: Vec<Finding>,
    /// The layer below, as the image names it.
    pub parent: Option<ParentRef>,
    /// Other files of this layer, as the image names them.
    pub associated_files: Vec<FileRef>,
    files: Vec<Arc<dyn ImageFile>>,
}

impl LayerInfo {
    /// Length of the image's own file, in bytes.
    pub fn file_len(&self) -> u64 {
        self.files.first().map_or(0, |file| file.len())
    }

    /// Length of all of its files, in bytes.
    pub fn total_len(&self) -> u64 {
        self.files.iter().map(|file| file.len()).sum()
    }

    /// Whether all of its files are open.
    pub(crate) fn is_whole(&self) -> bool {
        self.files.len() > self.associated_files.len()
    }

    /// Space that all files of the layer take on their file systems, in bytes.
    pub fn actual_size(&self) -> u64 {
        self.files.iter().map(|file| file.actual_size()).sum()
    }

    /// The path of its file.
    pub fn path(&self) -> Option<&Path> {
        self.files.first().map(|file| file.path())
    }

    /// Time of the last change of its file, in seconds since 1970.
    pub fn modified(&self) -> Option<i64> {
        self.files.first().and_then(|file| file.modified())
    }

    /// Whether it is a block device.
    pub fn is_device(&self) -> bool {
        self.files.first().is_some_and(|file| file.is_device())
    }
}

/// An open disk.
pub struct Disk {
    layers: Vec<LayerInfo>,
    unopened: Vec<Named>,
    stack: Stack,
    top: DetectedFile,
    token: Arc<DiskToken>,
}

/// The identity of an open disk: a plan is valid for its own disk only.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DiskToken;

impl Disk {
    /// Opens an image and the files that it needs.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Ok(Self::from_chain(imgprep_open::open(path, options)?))
    }

    /// The same for a file that is open and whose matching formats are known.
    pub fn open_probed(file: &ProbedFile, options: &OpenOptions) -> Result<Self, Error> {
        Ok(Self::from_chain(imgprep_open::open_probed(file, options)?))
    }

    /// The disk of an open chain.
    pub fn from_chain(chain: Chain) -> Self {
        let layer = chain.top();
        let top = DetectedFile {
            name: layer.name.clone(),
            file: Arc::clone(&layer.files[0]), // OK: a layer has at least its own file.
            from: chain.from,
            detection: layer.detection.clone(),
        };
        let mut layers = chain.layers.into_iter().map(split);
        // OK: a chain has at least the image that the user named.
        let Some((info, first)) = layers.next() else { unreachable!("a chain without layers") };
        let (infos, below): (Vec<_>, Vec<_>) = layers.unzip();
        let mut all = vec![info];
        all.extend(infos);
        Self {
            layers: all,
            unopened: chain.unopened,
            stack: Stack::new(first, below),
            top,
            token: Arc::new(DiskToken),
        }
    }

    /// The file of the top layer with its format.
    pub(crate) fn top_file(&self) -> &DetectedFile {
        &self.top
    }

    /// The same disk with free ranges, which read as zeros: neither payload nor tables are read for them. The ranges may
    /// overlap and have any order.
    ///
    /// The layers and their allocation are described as before.
    #[must_use]
    pub fn with_mask(self, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        // A plan of the disk without the mask is not valid for this one.
        Self { stack: self.stack.with_mask(ranges), token: Arc::new(DiskToken), ..self }
    }

    /// Length of the disk, in bytes.
    pub fn size(&self) -> u64 {
        self.stack.size()
    }

    /// Its layers, top first.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// The paths of all files that it is read from.
    pub fn source_paths(&self) -> impl Iterator<Item = &Path> {
        self.files().map(|file| file.path())
    }

    /// Files that are named but not open. With any of them, the disk can be described, but not read.
    pub fn unopened(&self) -> &[Named] {
        &self.unopened
    }

    /// How the layer `index` stores its disk; `None` if there is no such layer, or not all of its files
    /// are open.
    pub fn allocation(&self, index: usize) -> Option<Counted> {
        let info = self.layers.get(index).filter(|info| info.is_whole())?;
        Some(count(self.stack.layers().get(index)?, counted_tables(info.actual_size())))
    }

    /// Inspects the contents of the disk. Reads 1 MiB at most, and nothing from a disk that is incomplete or encrypted.
    pub fn contents(&self) -> DiskInspection {
        // OK: a chain has at least the image that the user named.
        let top = &self.layers[0];
        let is_locked = self.layers.iter().any(|layer| layer.facts.encryption.is_some());
        if is_locked || !self.unopened.is_empty() {
            return DiskInspection::default();
        }
        inspect(&self.stack, top.sector, top.facts.format)
    }

    /// Runs the structure check of the layer `index`. Nothing is checked if there is no such layer, or not all of its files
    /// are open.
    pub fn check_structure(
        &self,
        index: usize,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let is_open = self.layers.get(index).is_some_and(LayerInfo::is_whole);
        let Some(layer) = self.stack.layers().get(index).filter(|_| is_open) else {
            return Ok(StructureCounts::default());
        };
        let checked = layer.map.check(&layer.files, found)?;
        self.stack.verify_mapping()?;
        Ok(checked)
    }

    /// Adds contradictions between the tables to the findings of each layer
    /// ([`DiskMap::cross_check`](imgprep_map::DiskMap::cross_check)). Called before a conversion. Fails only if the run is
    /// interrupted.
    pub fn cross_check(&mut self, run: &Options<'_>) -> Result<(), Error> {
        for (info, layer) in self.layers.iter_mut().zip(self.stack.layers()) {
            if info.is_whole() {
                info.findings.extend(cross_check(layer, run)?);
            }
        }
        Ok(())
    }

    /// Adds bytes that the tables do not refer to, but other programs may read, to the findings of each layer. This reads
    /// payload, but none that belongs to the disk.
    pub fn find_unused(&mut self, interrupt: &Interrupt) -> Result<(), Error> {
        for (info, layer) in self.layers.iter_mut().zip(self.stack.layers()) {
            check_unused(layer, interrupt, &mut |finding| info.findings.push(finding))?;
        }
        Ok(())
    }

    /// Walks the extents of the disk in ascending order, without gaps or overlaps. [`extents`](Self::extents) is the same as an
    /// iterator.
    pub fn visit_extents(
        &self,
        visitor: &mut dyn FnMut(ResolvedExtent) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.check_complete()?;
        self.stack.visit(0..u64::MAX, visitor)?;
        self.stack.verify_mapping()
    }

    /// Whether a running QEMU has it open for writing.
    pub(crate) fn is_in_use(&self) -> bool {
        self.files().any(|file| file.has_writer())
    }

    pub(crate) fn token(&self) -> &Arc<DiskToken> {
        &self.token
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Checks the preconditions of a conversion: all files are open, and none is open for writing elsewhere.
    pub(crate) fn check_readable(&self) -> Result<(), Error> {
        self.check_complete()?;
        let in_use = self.files().find(|file| file.has_writer());
        in_use.map_or(Ok(()), |file| {
            Err(Error::new(RequestError::InUse).in_path(file.path().display().to_string()))
        })
    }

    /// Checks that no file has changed, and that no page of a mapping failed.
    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        self.stack.verify_mapping()?;
        self.files().try_for_each(|file| {
            file.unchanged().map_err(|error| Error::new(error).in_path(file.path().display().to_string()))
        })
    }

    /// The identities of the files that it is read from.
    pub(crate) fn identities(&self) -> impl Iterator<Item = FileIdentity> {
        self.files().map(|file| file.identity())
    }

    fn files(&self) -> impl Iterator<Item = &Arc<dyn ImageFile>> {
        self.layers.iter().flat_map(|layer| &layer.files)
    }

    /// Fails with the error of the first file that is not open.
    pub(crate) fn check_complete(&self) -> Result<(), Error> {
        let Some(missing) = self.unopened.first() else { return Ok(()) };
        let path = missing.reason.path().unwrap_or_default().to_string();
        if let Some(failed) = missing.reason.detail::<imgprep_io::OpenError>() {
            return Err(Error::new(failed.clone()).in_path(path));
        }
        // If the policy forbids the name, that error is reported.
        let reason = missing.reason.detail::<imgprep_open::ChainError>().cloned();
        let reason = reason.unwrap_or_else(|| imgprep_open::ChainError::Shut {
            at: missing.reason.at().unwrap_or(0),
            name: missing.name.clone(),
        });
        Err(Error::new(reason).in_path(path))
    }
}

/// The description of a layer, and what the engine reads.
fn split(layer: Layer) -> (LayerInfo, EngineLayer) {
    let (files, names, readers) = (layer.files.clone(), layer.names(), layer.readers());
    let Image { size, sector, parent, files: associated_files, facts, mut findings, map, .. } = *layer.image;
    findings.extend(layer.detection.findings);
    let info = LayerInfo {
        name: layer.name,
        size,
        evidence: layer.detection.evidence,
        matches: layer.detection.matches,
        sector,
        facts,
        findings,
        parent,
        associated_files,
        files,
    };
    (info, EngineLayer { map, files: readers, names })
}

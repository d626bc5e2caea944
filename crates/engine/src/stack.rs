//! A stack of layers, read as one disk.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use imgprep_map::{DiskMap, Error, Extent, FileId, Files, ReadAt, Source};

use crate::mask::Mask;
use crate::watched::Watched;
use crate::{EngineError, Interrupt};

/// One image of a chain with its open files.
pub struct Layer {
    /// Where its bytes are.
    pub map: Box<dyn DiskMap>,
    /// Its files by [`FileId`]: the image itself, then its associated files.
    pub files: Vec<Arc<dyn ReadAt>>,
    /// The names of those files, for messages.
    pub names: Vec<String>,
}

impl Layer {
    pub(crate) fn file(&self, id: FileId) -> Result<&dyn ReadAt, Error> {
        self.files.get(id).ok_or_else(|| EngineError::NotOpen { id: id.0 }.into())
    }

    /// Adds the name of the file that an error is about.
    pub(crate) fn name(&self, error: Error) -> Error {
        let index = usize::try_from(error.file().0).ok();
        match index.and_then(|index| self.names.get(index)) {
            Some(name) => error.in_path(name),
            None => error,
        }
    }
}

/// An extent of the disk and the layer that stores it. Never [`Source::Parent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedExtent {
    /// Bytes of the disk.
    pub disk: Range<u64>,
    /// Index of the layer that stores it: 0 is the top.
    pub layer: usize,
    /// Where the bytes are, in the files of that layer.
    pub source: Source,
}

impl ResolvedExtent {
    /// Whether the extent is known to be zeros without reading payload.
    pub fn is_zero(&self) -> bool {
        matches!(self.source, Source::Zero { .. })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.disk.end - self.disk.start
    }

    /// The stored bytes, compressed or not, if the extent is stored in a file.
    pub(crate) fn stored(&self) -> Option<(FileId, Range<u64>)> {
        match self.source {
            Source::Zero { .. } | Source::Parent => None,
            Source::Data { file, at } => Some((file, at..at.saturating_add(self.len()))),
            Source::Compressed { file, at, len, .. } => {
                Some((file, at..at.saturating_add(len.bound().into())))
            }
        }
    }

    /// Whether the extent covers nothing.
    pub fn is_empty(&self) -> bool {
        self.disk.is_empty()
    }
}

/// The layers of one disk, top first.
pub struct Stack {
    layers: Vec<Layer>,
    mask: Mask,
}

type Visit<'f> = &'f mut dyn FnMut(ResolvedExtent) -> ControlFlow<()>;

impl Stack {
    /// A disk as large as its top layer. The lowest layer reads as zeros where it refers to its parent.
    pub fn new(top: Layer, below: Vec<Layer>) -> Self {
        let mut layers = vec![top];
        layers.extend(below);
        Self { layers, mask: Mask::default() }
    }

    /// The same disk with free ranges, which read as zeros. Neither payload nor tables are read for them; only a stream is
    /// decompressed from its beginning. The ranges may overlap and have any order; ranges of earlier calls stay free.
    ///
    /// The comparison of the file usage still covers all tables.
    #[must_use]
    pub fn with_mask(mut self, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        self.mask = Mask::new(self.mask.ranges().iter().cloned().chain(ranges));
        self
    }

    /// Length of the disk, in bytes.
    pub fn size(&self) -> u64 {
        // OK: `new` puts the top layer in.
        self.layers[0].map.size()
    }

    /// The layers, top first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Walks the extents of `range` (clipped to the disk) in ascending order, without gaps or overlaps. Data in a hole of
    /// its file is reported as zeros.
    ///
    /// Before an error is returned, all extents in front of the invalid range have been reported.
    pub fn visit(&self, range: Range<u64>, visitor: Visit<'_>) -> Result<(), Error> {
        let files: Vec<_> = self.layers.iter().map(|layer| &layer.files as &dyn Files).collect();
        self.visit_through(&files, range, visitor)
    }

    /// The same walk, which an interrupt ends at any time, also between two extents.
    pub(crate) fn visit_until(
        &self,
        interrupt: &Interrupt,
        range: Range<u64>,
        visitor: Visit<'_>,
    ) -> Result<(), Error> {
        let watched: Vec<_> = self.layers.iter().map(|layer| Watched::new(&layer.files, interrupt)).collect();
        let files: Vec<_> = watched.iter().map(|files| files as &dyn Files).collect();
        let walked = self.visit_through(&files, range, visitor);
        interrupt.check()?;
        walked
    }

    /// `files` are those of each layer.
    fn visit_through(
        &self,
        files: &[&dyn Files],
        range: Range<u64>,
        visitor: Visit<'_>,
    ) -> Result<(), Error> {
        let range = range.start..range.end.min(self.size());
        for (part, is_free) in self.mask.parts(range) {
            let flow =
                if is_free { zeros(0, part, visitor) } else { self.visit_layer(files, 0, part, visitor)? };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Fails if a page that was read through a mapping could not be read.
    pub fn verify_mapping(&self) -> Result<(), Error> {
        for layer in &self.layers {
            for (index, file) in layer.files.iter().enumerate() {
                file.verify_mapping().map_err(|error| {
                    let id = u32::try_from(index).map_or(FileId::SELF, FileId);
                    layer.name(Error::new(error).in_file(id)).while_doing("reading")
                })?;
            }
        }
        Ok(())
    }

    fn visit_layer(
        &self,
        files: &[&dyn Files],
        index: usize,
        range: Range<u64>,
        visitor: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let (Some(layer), Some(of_layer)) = (self.layers.get(index), files.get(index)) else {
            return Ok(zeros(index.saturating_sub(1), range, visitor));
        };
        let inside = range.start.min(layer.map.size())..range.end.min(layer.map.size());
        let mut flow = ControlFlow::Continue(());
        if !inside.is_empty() {
            let mut nested = Ok(());
            let walked = layer.map.visit(*of_layer, inside.clone(), &mut |extent| {
                match self.visit_extent(files, index, extent, visitor) {
                    Ok(next) => flow = next,
                    Err(error) => {
                        nested = Err(error);
                        flow = ControlFlow::Break(());
                    }
                }
                flow
            });
            nested?;
            walked.map_err(|error| layer.name(error))?;
        }
        if flow.is_continue() && inside.end < range.end {
            flow = zeros(index, inside.end.max(range.start)..range.end, visitor);
        }
        Ok(flow)
    }

    fn visit_extent(
        &self,
        files: &[&dyn Files],
        index: usize,
        extent: Extent,
        visitor: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        match extent.source {
            Source::Parent => self.visit_layer(files, index + 1, extent.disk, visitor),
            Source::Data { file, at } => self.visit_holes(index, extent.disk, file, at, visitor),
            source => Ok(visitor(ResolvedExtent { disk: extent.disk, layer: index, source })),
        }
    }

    /// Splits data of a file at the file's holes.
    fn visit_holes(
        &self,
        layer: usize,
        disk: Range<u64>,
        id: FileId,
        at: u64,
        visitor: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let file = self.layers[layer].file(id)?;
        // Bytes of the extent that lie before the file offset `offset`.
        let before = |offset: u64| offset.saturating_sub(at).min(disk.end - disk.start);
        let mut done = disk.start;
        while done < disk.end {
            let here = at + (done - disk.start);
            let data = disk.start + before(file.next_data(here));
            if done < data && zeros(layer, done..data, visitor).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if data == disk.end {
                break;
            }
            let data_at = at + (data - disk.start);
            // A file that changes meanwhile may report anything: at least one byte is data.
            let hole = (disk.start + before(file.next_hole(data_at))).max(data + 1);
            let source = Source::Data { file: id, at: data_at };
            if visitor(ResolvedExtent { disk: data..hole, layer, source }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            done = hole;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn zeros(layer: usize, disk: Range<u64>, visitor: Visit<'_>) -> ControlFlow<()> {
    visitor(ResolvedExtent { disk, layer, source: Source::Zero { explicit: false } })
}

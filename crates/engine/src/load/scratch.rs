//! State that one worker keeps between chunks.

use imgprep_codec::{BlockDecompressor, PayloadEnd};
use imgprep_map::{AlignedBuffer, Error, FileId, Source};

use super::payload::{check_block, payload};
use crate::{Layer, ResolvedExtent, is_zero};

/// A compressed block that was decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// How its payload ended.
    pub ending: PayloadEnd,
    /// Whether all of it is zeros.
    pub is_zero: bool,
}

/// State that one worker keeps between chunks.
pub(crate) struct Scratch {
    pub(crate) decompressor: BlockDecompressor,
    pub(crate) extents: Vec<ResolvedExtent>,
    /// The chunk, when it is not contiguous in a mapping.
    pub(crate) buffer: AlignedBuffer,
    /// The last compressed block of which only a part was needed.
    pub(crate) cached: Option<(usize, FileId, u64)>,
    pub(crate) cache: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            decompressor: BlockDecompressor::new(),
            extents: Vec::new(),
            buffer: AlignedBuffer::default(),
            cached: None,
            cache: Vec::new(),
        }
    }
}

impl Scratch {
    /// Decompresses the whole block of a compressed extent and discards the result.
    pub(crate) fn decompress_whole(
        &mut self,
        layer: &Layer,
        extent: &ResolvedExtent,
    ) -> Result<Decompressed, Error> {
        let Source::Compressed { file, at, len, codec, block } = &extent.source else {
            unreachable!("only compressed extents are decompressed")
        };
        let describe = |error: Error| {
            let error = error.in_file(*file).at_offset(*at).hitting(extent.disk.clone());
            layer.name(error).while_doing("decompressing")
        };
        let block_len = check_block(block).map_err(describe)?;
        let stored = payload(layer, *file, *at, *len).map_err(describe)?;
        self.cached = None;
        self.cache.resize(block_len, 0);
        // The payload may contain more than the part of the block that lies on the disk.
        // OK: an extent lies in its block, whose length was checked.
        let least = (extent.disk.end - block.start) as usize;
        let decompressed = self.decompressor.decompress_some(*codec, &stored, *len, &mut self.cache, least);
        let produced = decompressed.map_err(|error| describe(error.into()))?;
        Ok(Decompressed { ending: self.decompressor.ending(), is_zero: is_zero(&self.cache[..produced]) })
    }
}

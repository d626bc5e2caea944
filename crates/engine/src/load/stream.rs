//! Decompresses layers whose blocks form one stream (ZVHD).
//!
//! A record can only be decompressed after all records before it. So the feeder, which visits the disk in order,
//! decompresses every record, including those that an upper layer hides, and passes each job the records that it needs.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use imgprep_codec::{Continued, PayloadEnd};
use imgprep_map::{Error, Source};

use super::payload::{check_block, payload};
use crate::{Layer, Losses, OnLoss, ResolvedExtent, Stack};

/// One decompressed record.
#[derive(Clone)]
pub(crate) struct StreamBlock {
    pub(crate) layer: usize,
    pub(crate) block: Range<u64>,
    pub(crate) bytes: Arc<Vec<u8>>,
    /// How its payload ended.
    pub(crate) ending: PayloadEnd,
}

/// All streams of a stack.
pub(crate) struct Streams<'a> {
    streams: Vec<Stream<'a>>,
    on_loss: OnLoss,
    losses: &'a Losses,
}

struct Stream<'a> {
    layer: &'a Layer,
    index: usize,
    inflater: Continued,
    /// Disk offset of the end of the last record.
    at: u64,
    held: Option<StreamBlock>,
    /// Set by a record that could not be decompressed: nothing after it can be.
    is_broken: bool,
}

impl<'a> Streams<'a> {
    pub(crate) fn new(stack: &'a Stack, on_loss: OnLoss, losses: &'a Losses) -> Self {
        let layers = stack.layers().iter().enumerate().filter(|(_, layer)| layer.map.is_stream());
        let streams = layers.map(|(index, layer)| Stream {
            layer,
            index,
            inflater: Continued::new(),
            at: 0,
            held: None,
            is_broken: false,
        });
        Self { streams: streams.collect(), on_loss, losses }
    }

    /// Decompresses up to the end of `range`, which must lie after the previous one, and returns the records that
    /// `range` overlaps.
    pub(crate) fn advance(&mut self, range: &Range<u64>) -> Result<Vec<StreamBlock>, Error> {
        let mut touched = Vec::new();
        for stream in &mut self.streams {
            stream.advance(range, self.on_loss, self.losses, &mut touched)?;
        }
        Ok(touched)
    }
}

impl Stream<'_> {
    fn advance(
        &mut self,
        range: &Range<u64>,
        on_loss: OnLoss,
        losses: &Losses,
        touched: &mut Vec<StreamBlock>,
    ) -> Result<(), Error> {
        touched.extend(self.held.iter().filter(|held| held.block.end > range.start).cloned());
        while let Some(record) = self.next_record(range.end)? {
            let Source::Compressed { block, .. } = &record.source else { continue };
            self.at = block.end;
            match self.decompress(&record) {
                Ok(decompressed) => {
                    touched.extend((decompressed.block.end > range.start).then(|| decompressed.clone()));
                    self.held = Some(decompressed);
                }
                Err(error) if on_loss == OnLoss::Zero => {
                    self.is_broken = true;
                    losses.add(record.disk, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next record that begins before `end`.
    fn next_record(&mut self, end: u64) -> Result<Option<ResolvedExtent>, Error> {
        let mut found = None;
        if self.at < end {
            let layer = self.layer;
            let walked = layer.map.visit(&layer.files, self.at..end, &mut |extent| {
                if !matches!(extent.source, Source::Compressed { .. }) {
                    return ControlFlow::Continue(());
                }
                found = Some(ResolvedExtent { disk: extent.disk, layer: self.index, source: extent.source });
                ControlFlow::Break(())
            });
            walked.map_err(|error| layer.name(error))?;
            if found.is_none() {
                self.at = end;
            }
        }
        Ok(found)
    }

    fn decompress(&mut self, record: &ResolvedExtent) -> Result<StreamBlock, Error> {
        let Source::Compressed { file, at, len, block, .. } = &record.source else {
            unreachable!("only compressed records are requested")
        };
        let describe = |error: Error| {
            let error = error.in_file(*file).at_offset(*at).hitting(record.disk.clone());
            self.layer.name(error).while_doing("decompressing")
        };
        let mut bytes = vec![0; check_block(block).map_err(describe)?];
        let stored = payload(self.layer, *file, *at, *len).map_err(describe)?;
        if self.is_broken {
            return Err(describe(imgprep_codec::DecompressError::BrokenStream.into()));
        }
        let ending = self.inflater.decompress(&stored, &mut bytes).map_err(|error| describe(error.into()))?;
        Ok(StreamBlock { layer: self.index, block: block.clone(), bytes: Arc::new(bytes), ending })
    }
}

//! The work on one chunk of an output with a backing file: only blocks that differ from it are stored.

use std::ops::Range;

use imgprep_map::{Encoding, Error};

use super::worker::{BlockForm, Body, Done, StoredBlock, Worker};
use crate::compare::is_same;
use crate::load::{Chunk, Loader, Scratch, is_zero, load_chunk};

impl<'a> Worker<'a> {
    /// Compares a chunk with that of the backing file, which zeros continue.
    pub(super) fn overlay(
        &self,
        chunk: &Chunk,
        backing: &Loader<'a>,
        [scratch, below]: &mut [Scratch; 2],
    ) -> Result<Done<'a>, Error> {
        let source = load_chunk(&self.loader, chunk.job.as_ref(), scratch)?;
        let below = load_chunk(backing, chunk.backing.as_ref(), below)?;
        let is_data = !is_zero(source);
        let mut done = Done {
            checksum: (self.with_checksums && is_data).then(|| crc32fast::hash(source)),
            subtree: self.subtree(&chunk.range, Some(source).filter(|_| is_data)),
            ..self.zero_unit(chunk.range.clone(), chunk.read_len())
        };
        if !is_same(source, below) {
            (done.body, done.blocks) = self.differing(&chunk.range, source, below)?;
        }
        self.loader.stack.verify_mapping()?;
        backing.stack.verify_mapping()?;
        Ok(done)
    }

    /// The stored bytes of the blocks that differ.
    fn differing(
        &self,
        range: &Range<u64>,
        source: &[u8],
        below: &[u8],
    ) -> Result<(Body<'a>, Vec<StoredBlock>), Error> {
        let mut plain = self.compressors.plain_buffer();
        plain.copy_from(source);
        // OK: a chunk has a few MiB, and is whole blocks except at the end of the disk.
        plain.resize((range.end - range.start).next_multiple_of(self.block) as usize);
        let blocks = self.differing_blocks(range.start / self.block, &plain, below);
        let Encoding::PerBlock { compression, keep_if_smaller } = self.encoding else {
            return Ok((Body::Plain(plain), blocks));
        };
        let (compressed, blocks) = self.compress(&plain, blocks, compression, keep_if_smaller)?;
        self.compressors.give_back_plain(plain);
        Ok((Body::Compressed(compressed), blocks))
    }

    /// The blocks of a chunk that differ from the backing file. `first` is the number of the first one.
    fn differing_blocks(&self, first: u64, plain: &[u8], below: &[u8]) -> Vec<StoredBlock> {
        // OK: a block is at most as large as a chunk.
        let len = self.block as usize;
        let mut blocks = Vec::new();
        for (index, block) in plain.chunks(len).enumerate() {
            let range = index * len..index * len + block.len();
            let below = &below[range.start.min(below.len())..range.end.min(below.len())];
            if is_same(block, below) {
                continue;
            }
            let is_marked = self.marks_zeros && is_zero(block);
            blocks.push(StoredBlock {
                number: first + index as u64,
                range: if is_marked { range.start..range.start } else { range },
                form: if is_marked { BlockForm::Zeros } else { BlockForm::Plain },
            });
        }
        blocks
    }
}

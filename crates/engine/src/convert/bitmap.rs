//! The bitmap of blocks that contain a byte that is not zero.

use std::collections::BTreeMap;
use std::ops::Range;

use imgprep_map::{Error, ReadAt, Sink};

/// Bytes that a bitmap file is padded to.
const PAGE: u64 = 4096;
const PAGE_BITS: u64 = PAGE * 8;

/// Layout of a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitmapShape {
    /// Bytes of the disk for each bit: a power of two.
    pub block: u64,
    /// Which bit of a byte comes first.
    pub order: BitOrder,
}

impl Default for BitmapShape {
    /// The bitmap inside a ZVHD2.
    fn default() -> Self {
        Self { block: 2 << 20, order: BitOrder::LeastFirst }
    }
}

/// The bit of a byte that describes the first of its eight blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOrder {
    /// The least significant one.
    LeastFirst,
    /// The most significant one.
    MostFirst,
}

/// One bit for each block, set if the block contains a byte that is not zero.
///
/// Only pages with a set bit are kept: the memory depends on the amount of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    shape: BitmapShape,
    blocks: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Bitmap {
    /// All bits clear, for a disk of `size` bytes.
    pub fn new(shape: BitmapShape, size: u64) -> Self {
        Self { shape, blocks: size.div_ceil(shape.block), pages: BTreeMap::new() }
    }

    /// Blocks of the disk.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Blocks that contain data.
    pub fn data_blocks(&self) -> u64 {
        self.pages.values().flatten().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Length of the bitmap file: one bit a block, padded to a whole page.
    pub fn file_len(&self) -> u64 {
        self.blocks.div_ceil(PAGE_BITS) * PAGE
    }

    /// Whether the bit of `block` is set.
    pub fn is_set(&self, block: u64) -> bool {
        let (page, byte, mask) = self.place(block);
        self.pages.get(&page).is_some_and(|page| page[byte] & mask != 0)
    }

    /// Writes the bitmap file.
    pub fn write(&self, sink: &dyn Sink) -> Result<(), Error> {
        let mut done = 0;
        for (number, page) in &self.pages {
            sink.zero(done..number * PAGE)?;
            sink.write_at(number * PAGE, &[page])?;
            done = (number + 1) * PAGE;
        }
        sink.set_len(self.file_len())?;
        Ok(())
    }

    /// The first error of a bitmap file for this disk: its length, or a block that contains data and is not marked. A
    /// marked block without data is no error: it only costs time.
    pub fn flaw(&self, file: &dyn ReadAt) -> Result<Option<String>, Error> {
        if file.len() != self.file_len() {
            let (found, wanted) = (file.len(), self.file_len());
            return Ok(Some(format!("the bitmap has {found} bytes, but a bitmap of this disk has {wanted}")));
        }
        for (number, page) in &self.pages {
            let theirs: [u8; PAGE as usize] = file.array(number * PAGE)?;
            let first = (0..PAGE_BITS).map(|within| number * PAGE_BITS + within).find(|block| {
                let (_, byte, mask) = self.place(*block);
                page[byte] & !theirs[byte] & mask != 0
            });
            if let Some(block) = first {
                let at = block * self.shape.block;
                return Ok(Some(format!(
                    "block {block} at disk offset {at} contains data, but is not marked"
                )));
            }
        }
        Ok(None)
    }

    /// Sets the bits of the blocks that the disk range `data` touches.
    pub(crate) fn set(&mut self, data: &Range<u64>) {
        for block in data.start / self.shape.block..data.end.div_ceil(self.shape.block) {
            let (page, byte, mask) = self.place(block);
            self.pages.entry(page).or_insert_with(|| vec![0; PAGE as usize])[byte] |= mask;
        }
    }

    /// Page, byte of the page and bit of the byte of a block.
    fn place(&self, block: u64) -> (u64, usize, u8) {
        let bit = block % 8;
        let mask = match self.shape.order {
            BitOrder::LeastFirst => 1 << bit,
            BitOrder::MostFirst => 0x80 >> bit,
        };
        // OK: below PAGE.
        (block / PAGE_BITS, (block % PAGE_BITS / 8) as usize, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_as_the_layout_defines() {
        let mut bitmap = Bitmap::new(BitmapShape::default(), 100 << 30);
        assert_eq!((bitmap.blocks(), bitmap.file_len()), (51200, 8192));
        bitmap.set(&(0..1));
        bitmap.set(&(9 << 21..(10 << 21) + 1));
        bitmap.set(&(64 << 30..(64 << 30) + 1));
        assert_eq!(bitmap.pages[&0][..3], [1, 0b110, 0]);
        assert_eq!(bitmap.pages[&1][..2], [1, 0]);
        assert_eq!(bitmap.data_blocks(), 4);
        assert!(bitmap.is_set(9) && !bitmap.is_set(8));
    }

    #[test]
    fn most_significant_bit_first() {
        let mut bitmap = Bitmap::new(BitmapShape { block: 512, order: BitOrder::MostFirst }, 4096);
        bitmap.set(&(512..1024));
        assert_eq!(bitmap.pages[&0][0], 0b0100_0000);
        assert!(bitmap.is_set(1) && !bitmap.is_set(0));
    }

    #[test]
    fn a_disk_of_nothing_has_no_bitmap() {
        assert_eq!(Bitmap::new(BitmapShape::default(), 0).file_len(), 0);
    }
}

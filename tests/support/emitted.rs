//! Images of pure writers, in memory.

use imgprep_map::{Emit, Error, ImageWriter, Stored};

/// A file in memory that receives what a writer emits.
#[derive(Debug, Default)]
pub struct Emitted(pub Vec<u8>);

impl Emit for Emitted {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let start = usize::try_from(at).unwrap();
        let end = start + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[start..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// The image with data in these blocks, uncompressed: each of them is filled with its number modulo 251, plus 1.
///
/// # Panics
///
/// If the writer fails, or the file is longer than its bound.
pub fn plain_image(writer: &mut dyn ImageWriter, blocks: &[u64]) -> Vec<u8> {
    let mut out = Emitted::default();
    writer.begin(&mut out).unwrap();
    let len = writer.block();
    for number in blocks {
        let placed = writer.place(*number, Stored { len, is_compressed: false }, &mut out).unwrap();
        let byte = u8::try_from(number % 251).unwrap() + 1;
        let bytes = [placed.head, vec![byte; usize::try_from(len).unwrap()], placed.tail].concat();
        out.write(placed.at, &bytes).unwrap();
    }
    let end = writer.finish(&mut out).unwrap();
    assert!(end <= writer.max_len(blocks.len() as u64, len));
    out.0.resize(usize::try_from(end).unwrap(), 0);
    out.0
}

//! Writer of ZVHD images, in one forward pass.
//!
//! All payloads form one zlib stream. The blocks are nevertheless compressed independently and in parallel: each
//! becomes a sequence of deflate blocks that ends with a sync flush and has no references to earlier data. Such
//! sequences, concatenated after one zlib header, are a valid stream (RFC 1950 2.2, RFC 1951 3.2).

use imgprep_map::{Compression, Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::WriteOptions;
use crate::layout::{BLOCK, PAGE, RawHeader, record_len};
use crate::record::NewRecord;

/// Length of the zlib header in bytes (RFC 1950 2.2).
const ZLIB_HEADER: u64 = 2;

/// Writes a ZVHD.
pub struct ZvhdWriter {
    header: RawHeader,
    level: u32,
    /// File offset of the next record.
    at: u64,
}

impl ZvhdWriter {
    /// Creates a writer with a zlib level of 1 to 9.
    ///
    /// Fails if the disk exceeds the largest size of the format.
    pub fn new(options: &WriteOptions, level: u32) -> Result<Self, Error> {
        Ok(Self { header: options.header()?, level, at: PAGE })
    }
}

/// Header of the zlib stream (RFC 1950 2.2).
///
/// It declares deflate, a window of 32 KiB and the level as zlib encodes it.
fn zlib_header(level: u32) -> [u8; 2] {
    match level {
        0..=1 => [0x78, 0x01],
        2..=5 => [0x78, 0x5e],
        6 => [0x78, 0x9c],
        _ => [0x78, 0xda],
    }
}

impl ImageWriter for ZvhdWriter {
    fn block(&self) -> u64 {
        BLOCK
    }

    fn encoding(&self) -> Encoding {
        let compression = Compression::DeflateOpen { level: self.level };
        Encoding::PerBlock { compression, keep_if_smaller: false }
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        out.write(0, &self.header.encode())
    }

    /// The payload of the first record begins with the zlib header.
    fn place(&mut self, number: u64, stored: Stored, _: &mut dyn Emit) -> Result<Placement, Error> {
        let header = zlib_header(self.level);
        let prefix = if self.at == PAGE { &header[..] } else { &[] };
        let record = NewRecord::new(number, stored.len + prefix.len() as u64)?;
        let at = self.at;
        self.at += u64::from(record.len);
        Ok(record.placement(at, prefix))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        out.write(self.at, &self.header.encode())?;
        Ok(self.at + PAGE)
    }

    fn max_len(&self, blocks: u64, stored: u64) -> u64 {
        // The zlib header can add a page to the first record.
        let record = stored.checked_add(ZLIB_HEADER).and_then(record_len).unwrap_or(u64::MAX);
        blocks.saturating_mul(record).saturating_add(2 * PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1950 2.2: the two bytes are a multiple of 31.
    ///
    /// The two highest bits of the second byte are the level.
    #[test]
    fn zlib_headers_are_valid() {
        for level in 1..=9 {
            let [first, second] = zlib_header(level);
            assert_eq!((u32::from(first) * 256 + u32::from(second)) % 31, 0, "level {level}");
            assert_eq!(second & 0x20, 0, "no dictionary");
        }
        assert_eq!([1, 3, 6, 9].map(|level| zlib_header(level)[1] >> 6), [0, 1, 2, 3]);
    }

    #[test]
    fn disks_beyond_the_format_are_rejected() {
        let options = |disk_size| WriteOptions { disk_size, uuid: [0; 16], unix_time: 0 };
        assert!(ZvhdWriter::new(&options(u64::from(u32::MAX) * BLOCK), 6).is_ok());
        let error = ZvhdWriter::new(&options(u64::from(u32::MAX) * BLOCK + 1), 6).err().unwrap();
        assert_eq!(error.code().id, "zvhd.write.disk-too-large");
    }
}

//! Writer of ZVHD2 images, in one forward pass.
//!
//! Index and bitmap are kept in memory until the end.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Compression, Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::layout::{
    BITMAP_SEGMENT, BLOCK, COOKIE_ZVHD2, ENTRY_BYTES, INDEX_SEGMENT, PAGE, PAGE_BYTES, PER_SEGMENT, RawEntry,
    RawHeader, checksum, record_len,
};
use crate::record::NewRecord;
use crate::{Unsupported, WriteOptions};

/// Writes a ZVHD2.
pub struct Zvhd2Writer {
    header: RawHeader,
    compression: Compression,
    /// File offset of the next record.
    at: u64,
    index: Vec<u8>,
    /// Bitmap segments with at least one bit set, by segment number.
    bitmap: BTreeMap<u64, Vec<u8>>,
}

impl Zvhd2Writer {
    /// Creates a writer.
    ///
    /// Fails if the disk exceeds the largest size of the format, or if the compression is neither zstd nor an open
    /// zlib stream.
    pub fn new(options: &WriteOptions, compression: Compression) -> Result<Self, Error> {
        let number = match compression {
            Compression::ZlibOpen { .. } => 0,
            Compression::Zstd { .. } => 1,
            Compression::DeflateOpen { .. } | Compression::Zlib { .. } | Compression::Deflate { .. } => {
                return Err(Unsupported::WriteCompression.into());
            }
        };
        let header = options.header()?;
        // OK: `header` rejects disks whose number of blocks exceeds 32 bits.
        let block_count = u32::try_from(header.original_size.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let header = RawHeader {
            cookie: *COOKIE_ZVHD2,
            zvhd2_version: 1,
            block_size: 2 << 20,
            block_count,
            compression: number,
            ..header
        };
        Ok(Self { header, compression, at: PAGE, index: Vec::new(), bitmap: BTreeMap::new() })
    }

    fn set_bit(&mut self, block: u64) {
        let within = block % PER_SEGMENT;
        let segment =
            self.bitmap.entry(block / PER_SEGMENT).or_insert_with(|| vec![0; BITMAP_SEGMENT as usize]);
        if let Some(byte) = usize::try_from(within / 8).ok().and_then(|byte| segment.get_mut(byte)) {
            *byte |= 1 << (within % 8);
        }
    }

    fn bitmap_bytes(&self) -> Vec<u8> {
        let segments = u64::from(self.header.block_count).div_ceil(PER_SEGMENT);
        let mut bytes = Vec::new();
        for segment in 0..segments {
            match self.bitmap.get(&segment) {
                Some(bits) => bytes.extend_from_slice(bits),
                None => bytes.resize(bytes.len() + BITMAP_SEGMENT as usize, 0),
            }
        }
        bytes
    }

    /// The header page after the records.
    ///
    /// It is the first page plus the number of data blocks, with the checksum of the first page, which is therefore
    /// stale. The vendor's writer does the same: a file that is truncated right after this page must be rejected.
    fn after_records(&self) -> [u8; PAGE_BYTES] {
        let first = RawHeader { data_blocks: 0, ..self.header.clone() };
        let checksum = checksum(&first.encode_as_is());
        RawHeader { checksum, ..self.header.clone() }.encode_as_is()
    }

    /// Sets the header fields that only the last page contains.
    ///
    /// `index_len` and `bitmap_len` are in bytes. Fails if one of them exceeds 32 bits.
    fn complete(&mut self, index_len: usize, bitmap_len: usize) -> Result<(), Error> {
        let size = |len: usize| u32::try_from(len).map_err(|_| Unsupported::IndexTooLarge);
        let header = &mut self.header;
        header.index_size = size(index_len)?;
        header.bitmap_size = size(bitmap_len)?;
        header.index_segment = INDEX_SEGMENT;
        header.bitmap_segment = BITMAP_SEGMENT;
        header.index_segments = header.index_size / INDEX_SEGMENT;
        header.bitmap_segments = header.bitmap_size / BITMAP_SEGMENT;
        header.index_offset = self.at + PAGE;
        header.bitmap_offset = header.index_offset + u64::from(header.index_size);
        Ok(())
    }
}

impl ImageWriter for Zvhd2Writer {
    fn block(&self) -> u64 {
        BLOCK
    }

    fn encoding(&self) -> Encoding {
        Encoding::PerBlock { compression: self.compression, keep_if_smaller: false }
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        out.write(0, &self.header.encode())
    }

    fn place(&mut self, number: u64, stored: Stored, _: &mut dyn Emit) -> Result<Placement, Error> {
        let record = NewRecord::new(number, stored.len)?;
        let at = self.at;
        self.index.extend_from_slice(&RawEntry { offset: at, block: record.block, len: record.len }.encode());
        self.set_bit(number);
        self.header.data_blocks += 1;
        self.at += u64::from(record.len);
        Ok(record.placement(at, &[]))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        let middle = self.after_records();
        let mut index = core::mem::take(&mut self.index);
        index.resize(index.len().next_multiple_of(INDEX_SEGMENT as usize), 0);
        let bitmap = self.bitmap_bytes();
        self.complete(index.len(), bitmap.len())?;
        let header = &self.header;
        let last_at = header.bitmap_offset + u64::from(header.bitmap_size);
        out.write(self.at, &middle)?;
        out.write(header.index_offset, &index)?;
        out.write(header.bitmap_offset, &bitmap)?;
        out.write(last_at, &header.encode())?;
        Ok(last_at + PAGE)
    }

    fn max_len(&self, blocks: u64, stored: u64) -> u64 {
        let records = blocks.saturating_mul(record_len(stored).unwrap_or(u64::MAX));
        let index = (blocks * ENTRY_BYTES).next_multiple_of(u64::from(INDEX_SEGMENT));
        let bitmap = u64::from(self.header.block_count).div_ceil(PER_SEGMENT) * u64::from(BITMAP_SEGMENT);
        records.saturating_add(3 * PAGE + index + bitmap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::SECONDS_TO_2000;

    const ZSTD: Compression = Compression::Zstd { level: 3, has_checksum: true };

    /// Offset and bytes of each write.
    #[derive(Default)]
    struct Emitted(Vec<(u64, Vec<u8>)>);

    impl Emit for Emitted {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
            self.0.push((at, bytes.to_vec()));
            Ok(())
        }
    }

    fn writer(disk_size: u64, compression: Compression) -> Result<Zvhd2Writer, Error> {
        let options = WriteOptions { disk_size, uuid: [7; 16], unix_time: SECONDS_TO_2000 + 9 };
        Zvhd2Writer::new(&options, compression)
    }

    fn place(writer: &mut Zvhd2Writer, block: u64, len: u64) -> Placement {
        writer.place(block, Stored { len, is_compressed: true }, &mut Emitted::default()).unwrap()
    }

    #[test]
    fn a_record_is_padded_to_pages_and_marked() {
        let mut writer = writer(BLOCK * 3, ZSTD).unwrap();
        let first = place(&mut writer, 0, 10);
        assert_eq!((first.at, first.head.len(), first.tail.len()), (4096, 48, 4096 - 58));
        assert_eq!(first.tail[first.tail.len() - 4..], *b"end\0");
        assert_eq!(place(&mut writer, 2, 5000).at, 8192);
        let mut out = Emitted::default();
        let len = writer.finish(&mut out).unwrap();
        assert_eq!(out.0.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [16384, 20480, 544_768, 548_864]);
        assert_eq!(len, 552_960);
        assert_eq!(out.0[2].1[0], 0b101);
        assert!(writer.max_len(2, 5000) >= len);
    }

    #[test]
    fn a_disk_of_zeros_has_no_index() {
        let mut writer = writer(BLOCK, Compression::ZlibOpen { level: 6 }).unwrap();
        let mut out = Emitted::default();
        assert_eq!(writer.finish(&mut out).unwrap(), 16384);
        assert!(out.0[1].1.is_empty(), "the index");
    }

    #[test]
    fn contents_that_the_format_cannot_store_are_rejected() {
        let size = (1 << 53) + 1;
        let error = writer(size, ZSTD).err().unwrap();
        assert_eq!(error.detail(), Some(&Unsupported::DiskTooLarge { size }));
        assert_eq!(error.code().id, "zvhd.write.disk-too-large");
        assert!(writer(u64::from(u32::MAX) * BLOCK, ZSTD).is_ok(), "the largest disk that has block numbers");
        let error = writer(1, Compression::Deflate { level: 6, window_bits: 12 }).err().unwrap();
        assert_eq!(error.detail(), Some(&Unsupported::WriteCompression));
        assert_eq!(error.code().id, "zvhd.write.compression");
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn tables_of_4_gib_are_refused() {
        let mut writer = writer(BLOCK, ZSTD).unwrap();
        for (index, bitmap) in [(1 << 32, 0), (0, 1 << 32)] {
            let error = writer.complete(index, bitmap).unwrap_err();
            assert_eq!(error.detail(), Some(&Unsupported::IndexTooLarge));
            assert_eq!(error.code().id, "zvhd.write.index-too-large");
        }
        assert!(writer.complete((1 << 32) - 524_288, (1 << 32) - 4096).is_ok());
    }

    #[test]
    fn the_page_after_the_records_has_the_count_of_blocks_and_the_first_page_s_checksum() {
        let mut writer = writer(BLOCK * 3, ZSTD).unwrap();
        let mut out = Emitted::default();
        writer.begin(&mut out).unwrap();
        place(&mut writer, 0, 10);
        place(&mut writer, 2, 10);
        writer.finish(&mut out).unwrap();
        let mut want = out.0[0].1.clone();
        want[136] = 2;
        assert_eq!(out.0[1].1, want);
        let page: &[u8; PAGE_BYTES] = want[..].try_into().unwrap();
        assert_ne!(RawHeader::decode(page).checksum, checksum(page), "a cut file must not open");
    }
}

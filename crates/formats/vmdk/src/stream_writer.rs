//! Writer of streamOptimized images, front to back
//! (5.0, "Stream-Optimized Compressed Sparse Extents").
//!
//! Each grain table follows its grains. The grain directory, the footer and the end-of-stream marker follow
//! the last table. The footer contains the offset of the directory, the first header does not.
//!
//! Memory: one grain table, and the directory up to the last table with data.

use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Compression, Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored, usize_of};

use crate::descriptor_text::{DESCRIPTOR_SECTORS, EMBEDDED_NAME, WrittenExtent, descriptor_text, embedded};
use crate::grain_table::{GrainTable, TABLE_BYTES, check_disk_size, entry_bytes, sector_of, tables_of};
use crate::layout::{
    DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_NEWLINES, Marker, NEWLINES, RECORD_HEAD, RawHosted,
    SECTOR,
};
use crate::write_options::WriteOptions;

/// File offset of the first grain. The vendor's tools begin at 64 KiB.
const FIRST_GRAIN: u64 = 64 << 10;

/// Writer of streamOptimized images.
pub(crate) struct StreamWriter {
    options: WriteOptions,
    level: u32,
    /// File offset of the next marker.
    next: u64,
    table: Option<GrainTable>,
    directory: Vec<u32>,
}

impl StreamWriter {
    /// Fails if the directory would be too long.
    pub(crate) fn new(options: WriteOptions, level: u32) -> Result<Self, Error> {
        check_disk_size(options.disk_size, options.grain.bytes())?;
        Ok(Self { options, level, next: FIRST_GRAIN, table: None, directory: Vec::new() })
    }

    fn tables(&self) -> u64 {
        tables_of(self.options.disk_size, self.options.grain.bytes())
    }

    /// Bytes of the directory in whole sectors.
    fn directory_len(&self) -> u64 {
        (self.tables() * 4).next_multiple_of(SECTOR)
    }

    /// The header, or the footer with the sector of the directory.
    fn header(&self, gd_offset: u64) -> RawHosted {
        RawHosted {
            version: 3,
            flags: FLAG_NEWLINES | FLAG_COMPRESSED | FLAG_MARKERS,
            capacity: self.options.disk_size / SECTOR,
            grain_size: self.options.grain.bytes() / SECTOR,
            descriptor_offset: 1,
            descriptor_size: DESCRIPTOR_SECTORS,
            num_gtes_per_gt: 512,
            rgd_offset: 0,
            gd_offset,
            over_head: FIRST_GRAIN / SECTOR,
            unclean_shutdown: 0,
            newlines: NEWLINES,
            compress_algorithm: 1,
        }
    }

    /// Writes a marker and the structure that it precedes.
    ///
    /// Returns the offset of the structure.
    fn put(&mut self, marker: Marker, bytes: &[u8], out: &mut dyn Emit) -> Result<u64, Error> {
        out.write(self.next, &marker.encode())?;
        let at = self.next + SECTOR;
        out.write(at, bytes)?;
        self.next = at + (bytes.len() as u64).next_multiple_of(SECTOR);
        Ok(at)
    }

    /// Writes the current table and starts table `index`, unless it is the current one.
    fn open_table(&mut self, index: u64, out: &mut dyn Emit) -> Result<(), Error> {
        if self.table.as_ref().is_none_or(|table| table.index != index) {
            self.close_table(out)?;
            self.table = Some(GrainTable::new(index));
        }
        Ok(())
    }

    fn close_table(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let Some(table) = self.table.take() else { return Ok(()) };
        let at = self.put(Marker::GrainTable(TABLE_BYTES / SECTOR), &table.bytes(), out)?;
        // OK: at most `MAX_TABLES`.
        self.directory.resize(usize_of(table.index), 0);
        self.directory.push(sector_of(at)?);
        Ok(())
    }
}

impl ImageWriter for StreamWriter {
    fn block(&self) -> u64 {
        self.options.grain.bytes()
    }

    fn encoding(&self) -> Encoding {
        Encoding::PerBlock { compression: Compression::Zlib { level: self.level }, keep_if_smaller: false }
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        out.write(0, &self.header(DIRECTORY_AT_END).encode())?;
        let sectors = self.options.disk_size / SECTOR;
        let extent = WrittenExtent { sectors, kind: "SPARSE", name: EMBEDDED_NAME };
        out.write(SECTOR, &embedded(&descriptor_text(&self.options, [extent])))
    }

    /// Writes a grain: sector number, payload length and payload, padded to a sector.
    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let per_table = TABLE_BYTES / 4;
        self.open_table(block / per_table, out)?;
        let at = self.next;
        if let Some(table) = &mut self.table {
            table.set(block, at)?;
        }
        // OK: a grain has at most 1 MiB, and its payload a little more.
        let size = u32::try_from(stored.len).unwrap_or(u32::MAX);
        let marker = Marker::Grain { lba: block * (self.block() / SECTOR), size }.encode();
        let len = RECORD_HEAD + stored.len;
        let padded = len.next_multiple_of(SECTOR);
        self.next = at + padded;
        // OK: a marker has 512 bytes.
        let head = marker[..usize_of(RECORD_HEAD)].to_vec();
        Ok(Placement { at, head, tail: vec![0; usize_of(padded - len)] })
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_table(out)?;
        let len = self.directory_len();
        // OK: at most `MAX_TABLES` entries, padded to a sector.
        self.directory.resize(usize_of(len / 4), 0);
        let directory = entry_bytes(&self.directory);
        let at = self.put(Marker::GrainDirectory(len / SECTOR), &directory, out)?;
        let footer = self.header(sector_of(at)?.into()).encode();
        self.put(Marker::Footer(1), &footer, out)?;
        out.write(self.next, &Marker::EndOfStream.encode())?;
        self.next += SECTOR;
        Ok(self.next)
    }

    fn max_len(&self, blocks: u64, stored: u64) -> u64 {
        let grains = blocks.saturating_mul((RECORD_HEAD + stored).next_multiple_of(SECTOR));
        let tables = blocks.min(self.tables()).saturating_mul(SECTOR + TABLE_BYTES);
        // The marker of the directory, the footer with its marker, and the end of the stream.
        let end = self.directory_len() + 4 * SECTOR;
        grains.saturating_add(FIRST_GRAIN + tables + end)
    }
}

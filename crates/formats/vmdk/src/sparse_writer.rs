//! Writer of sparse images (5.0, "Hosted Sparse Extents").
//!
//! An image is a single file, or files of 2 GB and a descriptor. Both grain directories and all grain tables
//! precede the grains, as in images of the vendor. All directory entries are set; tables without grains are
//! gaps, which read as zeros.
//!
//! Memory: one grain table.

use alloc::vec::Vec;

use imgprep_map::{Emit, Encoding, Error, FilePart, ImageWriter, Placement, SinkKind, Stored, usize_of};

use crate::descriptor_text::{DESCRIPTOR_SECTORS, EMBEDDED_NAME, WrittenExtent, descriptor_text, embedded};
use crate::file_names::{
    DESCRIPTOR_AT, ExtentFile, SPLIT, check_name, descriptor_file, max_descriptor_len, split,
};
use crate::grain_table::{
    ENTRIES, GrainTable, TABLE_BYTES, check_disk_size, entry_bytes, sector_of, tables_of,
};
use crate::layout::{FLAG_NEWLINES, FLAG_REDUNDANT, NEWLINES, RawHosted, SECTOR};
use crate::write_options::WriteOptions;

/// Directory entries that are written at once.
const PAGE: u64 = 16 << 10;

/// Layout of a sparse extent file, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtentLayout {
    /// Bytes of the disk in this extent.
    pub(crate) capacity: u64,
    pub(crate) grain: u64,
    /// Sectors of the embedded descriptor; 0 without one.
    pub(crate) descriptor_sectors: u64,
}

impl ExtentLayout {
    fn tables(&self) -> u64 {
        tables_of(self.capacity, self.grain)
    }

    /// Bytes of a directory in whole sectors.
    fn directory_len(&self) -> u64 {
        (self.tables() * 4).next_multiple_of(SECTOR)
    }

    /// File offsets of the redundant directory and of the one in use.
    ///
    /// The tables of each directory follow it.
    fn directories(&self) -> [u64; 2] {
        let redundant = (1 + self.descriptor_sectors) * SECTOR;
        [redundant, redundant + self.directory_len() + self.tables() * TABLE_BYTES]
    }

    /// File offset of table `index` of a directory.
    fn table_at(&self, directory: u64, index: u64) -> u64 {
        directory + self.directory_len() + index * TABLE_BYTES
    }

    /// File offset of the first grain.
    pub(crate) fn first_grain(&self) -> u64 {
        let [_, directory] = self.directories();
        self.table_at(directory, self.tables()).next_multiple_of(self.grain)
    }

    fn header(&self) -> RawHosted {
        let [redundant, directory] = self.directories();
        RawHosted {
            version: 1,
            flags: FLAG_NEWLINES | FLAG_REDUNDANT,
            capacity: self.capacity / SECTOR,
            grain_size: self.grain / SECTOR,
            descriptor_offset: u64::from(self.descriptor_sectors > 0),
            descriptor_size: self.descriptor_sectors,
            num_gtes_per_gt: 512,
            rgd_offset: redundant / SECTOR,
            gd_offset: directory / SECTOR,
            over_head: self.first_grain() / SECTOR,
            unclean_shutdown: 0,
            newlines: NEWLINES,
            compress_algorithm: 0,
        }
    }

    /// Writes the header and both directories of the file that begins at `base`.
    pub(crate) fn begin(&self, base: u64, descriptor: &[u8], out: &mut dyn Emit) -> Result<(), Error> {
        out.write(base, &self.header().encode())?;
        out.write(base + SECTOR, descriptor)?;
        for directory in self.directories() {
            for page in 0..self.tables().div_ceil(PAGE) {
                let indices = page * PAGE..self.tables().min((page + 1) * PAGE);
                let entries: Result<Vec<_>, _> =
                    indices.map(|index| sector_of(self.table_at(directory, index))).collect();
                out.write(base + directory + page * PAGE * 4, &entry_bytes(&entries?))?;
            }
        }
        Ok(())
    }

    /// Writes both copies of a table of the file that begins at `base`.
    pub(crate) fn write_table(&self, base: u64, table: &GrainTable, out: &mut dyn Emit) -> Result<(), Error> {
        let bytes = table.bytes();
        self.directories()
            .into_iter()
            .try_for_each(|directory| out.write(base + self.table_at(directory, table.index), &bytes))
    }
}

/// Size of the address range of one extent file: more than the maximum file length.
const STRIDE: u64 = 1 << 33;

/// Writer of sparse images.
pub(crate) struct SparseWriter {
    options: WriteOptions,
    /// The extent files of a split image.
    extents: Vec<ExtentFile>,
    /// The extent that is being written.
    current: u64,
    /// Offset of the next grain in its file.
    next: u64,
    /// Number of stored grains in all files.
    stored: u64,
    table: Option<GrainTable>,
}

impl SparseWriter {
    /// A writer of a single file with an embedded descriptor.
    ///
    /// Fails if the directory would be too long.
    pub(crate) fn monolithic(options: WriteOptions) -> Result<Self, Error> {
        check_disk_size(options.disk_size, options.grain.bytes())?;
        Ok(Self::new(options, Vec::new()))
    }

    /// A writer of extent files of 2 GB and a descriptor.
    ///
    /// Fails if there would be too many files.
    pub(crate) fn split(options: WriteOptions, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        Ok(Self::new(options, split(name, options.disk_size, 's')?))
    }

    fn new(options: WriteOptions, extents: Vec<ExtentFile>) -> Self {
        let mut writer = Self { options, extents, current: 0, next: 0, stored: 0, table: None };
        writer.next = writer.layout(0).first_grain();
        writer
    }

    /// Grains of the disk in each extent except the last one.
    fn grains_per_extent(&self) -> u64 {
        let grain = self.options.grain.bytes();
        if self.extents.is_empty() { u64::MAX } else { SPLIT / grain }
    }

    /// The layout of extent `index`.
    ///
    /// An image that is not split has one extent: the whole disk.
    fn layout(&self, index: u64) -> ExtentLayout {
        let grain = self.options.grain.bytes();
        match self.extents.get(usize_of(index)) {
            Some(extent) => ExtentLayout { capacity: extent.len(), grain, descriptor_sectors: 0 },
            None => ExtentLayout {
                capacity: self.options.disk_size,
                grain,
                descriptor_sectors: DESCRIPTOR_SECTORS,
            },
        }
    }

    /// The first address and the layout of each extent.
    fn layouts(&self) -> impl Iterator<Item = (u64, ExtentLayout)> {
        (0..self.extents.len().max(1) as u64).map(|index| (index * STRIDE, self.layout(index)))
    }

    fn close_table(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let Some(table) = self.table.take() else { return Ok(()) };
        self.layout(self.current).write_table(self.current * STRIDE, &table, out)
    }

    /// Starts table `index` of the extent `extent`, unless it is the current one.
    fn open_table(&mut self, extent: u64, index: u64, out: &mut dyn Emit) -> Result<(), Error> {
        if extent == self.current && self.table.as_ref().is_some_and(|table| table.index == index) {
            return Ok(());
        }
        self.close_table(out)?;
        if extent != self.current {
            self.current = extent;
            self.next = self.layout(extent).first_grain();
        }
        self.table = Some(GrainTable::new(index));
        Ok(())
    }

    /// Total bytes of all extents with `grains` stored grains.
    fn len(&self, grains: u64) -> u64 {
        let heads = self.layouts().map(|(_, layout)| layout.first_grain()).sum();
        grains.saturating_mul(self.options.grain.bytes()).saturating_add(heads)
    }
}

impl ImageWriter for SparseWriter {
    fn block(&self) -> u64 {
        self.options.grain.bytes()
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn files(&self) -> Vec<FilePart> {
        if self.extents.is_empty() {
            return Vec::new();
        }
        let part = |(extent, (base, layout)): (&ExtentFile, (u64, ExtentLayout))| FilePart {
            name: Some(extent.name.clone()),
            range: base..base + STRIDE,
            min_len: layout.first_grain(),
        };
        self.extents.iter().zip(self.layouts()).map(part).chain([descriptor_file()]).collect()
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        if self.extents.is_empty() {
            let sectors = self.options.disk_size / SECTOR;
            let extent = WrittenExtent { sectors, kind: "SPARSE", name: EMBEDDED_NAME };
            return self.layout(0).begin(0, &embedded(&descriptor_text(&self.options, [extent])), out);
        }
        self.layouts().try_for_each(|(base, layout)| layout.begin(base, &[], out))
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let (extent, grain) = (block / self.grains_per_extent(), block % self.grains_per_extent());
        self.open_table(extent, grain / ENTRIES, out)?;
        let at = self.next;
        if let Some(table) = &mut self.table {
            table.set(grain, at)?;
        }
        self.next += self.options.grain.bytes();
        self.stored += 1;
        Ok(Placement::bare(extent * STRIDE + at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_table(out)?;
        if self.extents.is_empty() {
            return Ok(self.next);
        }
        let text = descriptor_text(&self.options, self.extents.iter().map(|extent| extent.line("SPARSE")));
        out.write(DESCRIPTOR_AT, text.as_bytes())?;
        Ok(self.len(self.stored) + text.len() as u64)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let text = if self.extents.is_empty() { 0 } else { max_descriptor_len(self.extents.len()) };
        self.len(blocks).saturating_add(text)
    }
}

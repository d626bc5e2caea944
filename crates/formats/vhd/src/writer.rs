//! Writer of VHD images: fixed, or dynamic in one pass.
//!
//! The size field of the footer is exact; the geometry is rounded down as in the appendix of the specification.
//! The creator is `win `, for which all readers use the size field: QEMU and Virtual PC use the geometry for other
//! creators.
//!
//! Memory: one page of the block allocation table.

use alloc::vec;

use imgprep_format_kit::{FieldsMut, PagedTable};
use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored, usize_of};

use crate::Unsupported;
use crate::layout::{COOKIE, FOOTER, HEADER, RESERVED, SECTOR, SPARSE_COOKIE, UNUSED, checksum};
use crate::size::chs;

/// Maximum size of a disk in bytes.
///
/// The entries of the block allocation table are 32-bit sector numbers. Azure, Hyper-V and QEMU have the same limit.
const MAX_DISK_SIZE: u64 = 2040 << 30;
/// File offset of the block allocation table: footer copy and header precede it.
const TABLE_AT: u64 = FOOTER + HEADER;
/// Seconds from 1970 to 2000-01-01, the epoch of the time stamps.
const EPOCH: u64 = 946_684_800;

/// The variant of a written image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subformat {
    /// The bytes of the disk, followed by a footer.
    Fixed,
    /// Blocks that contain data, with a sector bitmap each.
    Dynamic {
        /// Block size.
        block_size: BlockSize,
    },
}

impl Subformat {
    /// The block size; of a fixed image, the unit in which zeros are detected.
    fn block_size(self) -> BlockSize {
        match self {
            Self::Fixed => BlockSize::default(),
            Self::Dynamic { block_size } => block_size,
        }
    }
}

/// The block size of a dynamic image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize(u32);

impl BlockSize {
    /// Creates a block size in bytes: a power of two from 512 KiB to 256 MiB.
    ///
    /// Returns `None` for other values. Hyper-V creates images with 512 KiB and 2 MiB.
    pub fn new(bytes: u64) -> Option<Self> {
        let is_valid = bytes.is_power_of_two() && (512 << 10..=256 << 20).contains(&bytes);
        u32::try_from(bytes).ok().filter(|_| is_valid).map(Self)
    }

    fn bytes(self) -> u64 {
        self.0.into()
    }

    /// Length of a sector bitmap in bytes, padded to whole sectors.
    fn bitmap(self) -> u64 {
        (self.bytes() / SECTOR / 8).next_multiple_of(SECTOR)
    }
}

/// 2 MiB, as in the specification.
impl Default for BlockSize {
    fn default() -> Self {
        Self(2 << 20)
    }
}

/// A writer of VHD images.
pub struct VhdWriter {
    disk_size: u64,
    subformat: Subformat,
    footer: [u8; 512],
    /// File offset of the next block.
    next: u64,
    table: PagedTable,
}

impl VhdWriter {
    /// Creates a writer for a disk of whole sectors; `disk_size` is in bytes.
    ///
    /// `uuid` and `unix_time`, in seconds since 1970, are stored in the footer. Fails if the disk is larger than
    /// 2040 GiB.
    pub fn new(disk_size: u64, subformat: Subformat, uuid: [u8; 16], unix_time: u64) -> Result<Self, Error> {
        if disk_size > MAX_DISK_SIZE {
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, most: MAX_DISK_SIZE }.into());
        }
        let footer = footer(disk_size, subformat, uuid, unix_time);
        let block_size = subformat.block_size();
        // The table is padded to whole sectors.
        let table_len = (disk_size.div_ceil(block_size.bytes()) * 4).next_multiple_of(SECTOR);
        let table = PagedTable::new(TABLE_AT, table_len / 4, UNUSED, u32::to_be_bytes);
        Ok(Self { disk_size, subformat, footer, next: TABLE_AT + table_len, table })
    }

    fn block_size(&self) -> BlockSize {
        self.subformat.block_size()
    }

    fn blocks(&self) -> u64 {
        self.disk_size.div_ceil(self.block_size().bytes())
    }

    /// The header of a dynamic image ("Dynamic Disk Header Format").
    fn header(&self) -> [u8; 1024] {
        let mut header = [0; 1024];
        let mut fields = FieldsMut::be(&mut header);
        fields.put::<0, 8>(&SPARSE_COOKIE);
        fields.put_u64::<8>(u64::MAX);
        fields.put_u64::<16>(TABLE_AT);
        fields.put_u32::<24>(0x0001_0000);
        // OK: the disk has at most 2040 GiB in blocks of 512 KiB.
        fields.put_u32::<28>(u32::try_from(self.blocks()).unwrap_or(u32::MAX));
        fields.put_u32::<32>(self.block_size().0);
        let sum = checksum(&header, 36);
        FieldsMut::be(&mut header).put_u32::<36>(sum);
        header
    }
}

/// The footer ("Hard Disk Footer Format").
fn footer(size: u64, subformat: Subformat, uuid: [u8; 16], unix_time: u64) -> [u8; 512] {
    let (data_offset, disk_type) = match subformat {
        Subformat::Fixed => (u64::MAX, 2),
        Subformat::Dynamic { .. } => (FOOTER, 3),
    };
    let (cylinders, heads, sectors) = chs(size);
    let mut footer = [0; 512];
    let mut fields = FieldsMut::be(&mut footer);
    fields.put::<0, 8>(&COOKIE);
    fields.put_u32::<8>(RESERVED);
    fields.put_u32::<12>(0x0001_0000);
    fields.put_u64::<16>(data_offset);
    // Times before 2000 and after 2136 are clamped.
    fields.put_u32::<24>(u32::try_from(unix_time.saturating_sub(EPOCH)).unwrap_or(u32::MAX)); // OK: as stated above.
    fields.put::<28, 4>(b"win ");
    fields.put_u32::<32>(0x0006_0001);
    fields.put::<36, 4>(b"Wi2k");
    fields.put_u64::<40>(size);
    fields.put_u64::<48>(size);
    fields.put_u16::<56>(cylinders);
    fields.put_u8::<58>(heads);
    fields.put_u8::<59>(sectors);
    fields.put_u32::<60>(disk_type);
    fields.put::<68, 16>(&uuid);
    let sum = checksum(&footer, 64);
    FieldsMut::be(&mut footer).put_u32::<64>(sum);
    footer
}

impl ImageWriter for VhdWriter {
    fn block(&self) -> u64 {
        self.block_size().bytes()
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        match self.subformat {
            Subformat::Fixed => SinkKind::Append,
            Subformat::Dynamic { .. } => SinkKind::Random,
        }
    }

    fn linear_at(&self) -> Option<u64> {
        (self.subformat == Subformat::Fixed).then_some(0)
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    /// Place a block after its sector bitmap.
    ///
    /// All sectors of the block are stored, so all of their bits are set.
    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let block_size = self.block_size();
        // OK: at most 2040 GiB of data with their bitmaps and table are less than 2^32 sectors.
        let sector = u32::try_from(self.next / SECTOR).unwrap_or(UNUSED);
        self.table.set(block, sector, out)?;
        let at = self.next;
        self.next += block_size.bitmap() + block_size.bytes();
        // OK: 64 KiB at most.
        let mut bitmap = vec![0xff; usize_of(block_size.bytes() / SECTOR / 8)];
        bitmap.resize(usize_of(block_size.bitmap()), 0);
        Ok(Placement { head: bitmap, ..Placement::bare(at) })
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        if self.subformat == Subformat::Fixed {
            out.write(self.disk_size, &self.footer)?;
            return Ok(self.disk_size + FOOTER);
        }
        self.table.finish(out)?;
        out.write(self.next, &self.footer)?;
        out.write(0, &self.footer)?;
        out.write(FOOTER, &self.header())?;
        Ok(self.next + FOOTER)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        if self.subformat == Subformat::Fixed {
            return self.disk_size.saturating_add(FOOTER);
        }
        let block_size = self.block_size();
        let table = (self.blocks() * 4).next_multiple_of(SECTOR);
        let stored = blocks.saturating_mul(block_size.bitmap() + block_size.bytes());
        stored.saturating_add(TABLE_AT + table + FOOTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_are_powers_of_two_from_512_kib_to_256_mib() {
        for bytes in [512 << 10, 2 << 20, 256 << 20] {
            assert_eq!(BlockSize::new(bytes).map(BlockSize::bytes), Some(bytes));
        }
        for bytes in [0, 256 << 10, (512 << 10) + 1, 3 << 20, 512 << 20, u64::MAX] {
            assert_eq!(BlockSize::new(bytes), None, "{bytes}");
        }
        assert_eq!(
            [512 << 10, 2 << 20, 256 << 20].map(|bytes| BlockSize::new(bytes).unwrap().bitmap()),
            [512, 512, 65536]
        );
    }

    #[test]
    fn a_disk_of_more_than_2040_gib_is_rejected() {
        let dynamic = Subformat::Dynamic { block_size: BlockSize(512 << 10) };
        for subformat in [Subformat::Fixed, dynamic] {
            let mut largest = VhdWriter::new(MAX_DISK_SIZE, subformat, [0; 16], 0).unwrap();
            // The last block of a file without holes still has a sector number.
            let table = TABLE_AT + (largest.blocks() * 4).next_multiple_of(SECTOR);
            let block_size = largest.block_size();
            largest.next = table + (largest.blocks() - 1) * (block_size.bitmap() + block_size.bytes());
            assert!(largest.next / SECTOR < u64::from(UNUSED));
            let error = VhdWriter::new(MAX_DISK_SIZE + 512, subformat, [0; 16], 0).err().unwrap();
            assert_eq!(
                error.detail(),
                Some(&Unsupported::WriteDiskTooLarge { size: MAX_DISK_SIZE + 512, most: MAX_DISK_SIZE })
            );
        }
    }

    #[test]
    fn time_stamps_are_clipped_to_their_field() {
        let time = |unix| footer(0, Subformat::Fixed, [0; 16], unix)[24..28].to_vec();
        assert_eq!(time(0), [0; 4]);
        assert_eq!(time(EPOCH + 258), [0, 0, 1, 2]);
        assert_eq!(time(u64::MAX), [255; 4]);
    }
}

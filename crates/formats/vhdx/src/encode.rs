//! Encoding of the structures before the block allocation table of a written image.

use alloc::vec::Vec;

use imgprep_format_kit::{FieldsMut, derived_uuid};

use crate::crc;
use crate::guid::Guid;
use crate::layout::{
    BAT_REGION, FILE, FILE_PARAMETERS, HEADER, HEADER_BYTES, HEADERS, IS_DISK, IS_REQUIRED, LOGICAL_SECTOR,
    METADATA, METADATA_REGION, MIB, PAGE_83, PHYSICAL_SECTOR, REGION, REGION_TABLES, TABLE_BYTES,
    VIRTUAL_DISK_SIZE,
};

/// Text in the file identifier.
const CREATOR: &str = "imgprep";
/// Physical sector size of current disks, and Hyper-V's default.
const PHYSICAL_SECTOR_BYTES: u32 = 4096;
/// Bytes of the metadata region: the minimum.
const METADATA_LEN: u32 = 1 << 20;
/// The log follows the headers.
const LOG_AT: u64 = MIB;

/// Parameters of the structures.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) disk_size: u64,
    pub(crate) block_size: u32,
    pub(crate) logical_sector: u32,
    pub(crate) is_fixed: bool,
    /// Bytes of the log, whole MiB.
    pub(crate) log_len: u32,
    /// Bytes of the block allocation table, whole MiB.
    pub(crate) bat_len: u32,
    pub(crate) uuid: [u8; 16],
}

impl Written {
    fn metadata_at(&self) -> u64 {
        LOG_AT + u64::from(self.log_len)
    }

    /// File offset of the block allocation table.
    pub(crate) fn bat_at(&self) -> u64 {
        self.metadata_at() + u64::from(METADATA_LEN)
    }

    /// File offset of the first block.
    pub(crate) fn data_at(&self) -> u64 {
        self.bat_at() + u64::from(self.bat_len)
    }

    /// All structures with their file offsets, ascending.
    ///
    /// The gaps between them, including the log, consist of zeros.
    pub(crate) fn structures(&self) -> Vec<(u64, Vec<u8>)> {
        let [first, second] = HEADERS;
        let regions = self.region_table();
        let mut all = Vec::from([(0, identifier())]);
        // The current header is the one with the higher number.
        all.push((first, self.header(1).to_vec()));
        all.push((second, self.header(2).to_vec()));
        all.extend(REGION_TABLES.map(|at| (at, regions.clone())));
        let (table, items) = self.metadata();
        all.push((self.metadata_at(), table));
        all.push((self.metadata_at() + TABLE_BYTES as u64, items));
        all
    }

    /// A header (2.2.2) without a log to replay.
    fn header(&self, sequence_number: u64) -> [u8; HEADER_BYTES] {
        let guid = |index| Guid::from_uuid(derived_uuid(self.uuid, index)).0;
        let mut bytes = [0; HEADER_BYTES];
        let mut fields = FieldsMut::le(&mut bytes);
        fields.put::<0, 4>(&HEADER);
        fields.put_u64::<8>(sequence_number);
        fields.put::<16, 16>(&guid(1)); // FileWriteGuid
        fields.put::<32, 16>(&guid(2)); // DataWriteGuid
        fields.put_u16::<66>(1);
        fields.put_u32::<68>(self.log_len);
        fields.put_u64::<72>(LOG_AT);
        let sum = crc::sealed(&bytes);
        FieldsMut::le(&mut bytes).put_u32::<4>(sum);
        bytes
    }

    /// A region table (2.2.3).
    fn region_table(&self) -> Vec<u8> {
        let mut head = [0; 80];
        let mut fields = FieldsMut::le(&mut head);
        fields.put::<0, 4>(&REGION);
        fields.put_u32::<8>(2);
        fields.put::<16, 32>(&region(BAT_REGION, self.bat_at(), self.bat_len));
        fields.put::<48, 32>(&region(METADATA_REGION, self.metadata_at(), METADATA_LEN));
        // The checksum covers the whole table, with zeros in its own field.
        let mut table = head.to_vec();
        table.resize(TABLE_BYTES, 0);
        FieldsMut::le(&mut head).put_u32::<4>(crc::sealed(&table));
        table.splice(..head.len(), head);
        table
    }

    /// The metadata table (2.6.1), and its items, which follow it at 64 KiB.
    fn metadata(&self) -> (Vec<u8>, Vec<u8>) {
        let mut parameters = [0; 8];
        let mut fields = FieldsMut::le(&mut parameters);
        fields.put_u32::<0>(self.block_size);
        // LeaveBlocksAllocated.
        fields.put_u32::<4>(self.is_fixed.into());
        let disk = IS_REQUIRED | IS_DISK;
        let items: [(Guid, u32, &[u8]); 5] = [
            (FILE_PARAMETERS, IS_REQUIRED, &parameters),
            (VIRTUAL_DISK_SIZE, disk, &self.disk_size.to_le_bytes()),
            (PAGE_83, disk, &Guid::from_uuid(self.uuid).0),
            (LOGICAL_SECTOR, disk, &self.logical_sector.to_le_bytes()),
            (PHYSICAL_SECTOR, disk, &PHYSICAL_SECTOR_BYTES.to_le_bytes()),
        ];
        let mut head = [0; 32];
        let mut fields = FieldsMut::le(&mut head);
        fields.put::<0, 8>(&METADATA);
        fields.put_u16::<10>(5);
        let (mut table, mut bytes) = (head.to_vec(), Vec::new());
        for (guid, flags, item) in items {
            table.extend(entry(guid, TABLE_BYTES + bytes.len(), item.len(), flags));
            bytes.extend(item);
        }
        (table, bytes)
    }
}

/// The file identifier (2.2.1): signature, and the creator in UTF-16.
fn identifier() -> Vec<u8> {
    FILE.into_iter().chain(CREATOR.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// An entry of the region table (2.2.3.2) for a region that readers must support.
fn region(guid: Guid, at: u64, len: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut fields = FieldsMut::le(&mut bytes);
    fields.put::<0, 16>(&guid.0);
    fields.put_u64::<16>(at);
    fields.put_u32::<24>(len);
    fields.put_u32::<28>(1);
    bytes
}

/// An entry of the metadata table (2.6.1.2).
fn entry(guid: Guid, offset: usize, len: usize, flags: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut fields = FieldsMut::le(&mut bytes);
    fields.put::<0, 16>(&guid.0);
    // OK: both are below 65 KiB.
    fields.put_u32::<16>(u32::try_from(offset).unwrap_or(u32::MAX));
    fields.put_u32::<20>(u32::try_from(len).unwrap_or(u32::MAX)); // OK: as above.
    fields.put_u32::<24>(flags);
    bytes
}

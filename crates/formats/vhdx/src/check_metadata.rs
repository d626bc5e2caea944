//! Checks of metadata that is not needed to read the disk (2.6).

use alloc::format;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::Fields;
use imgprep_map::{Error, ReadAt, Report};

use crate::codes;
use crate::guid::Guid;
use crate::layout::{
    FILE_PARAMETERS, IS_DISK, IS_REQUIRED, IS_USER, LOGICAL_SECTOR, MAX_ENTRIES, PAGE_83, PARENT_LOCATOR,
    PHYSICAL_SECTOR, RawItem, TABLE_BYTES, VIRTUAL_DISK_SIZE, split_table,
};
use crate::metadata::Metadata;
use crate::reserved::reserved;

/// Expected flags of the known items (2.6.2).
const KNOWN: [(Guid, &str, u32); 6] = [
    (FILE_PARAMETERS, "FileParameters", IS_REQUIRED),
    (VIRTUAL_DISK_SIZE, "VirtualDiskSize", IS_REQUIRED | IS_DISK),
    (PAGE_83, "Page83Data", IS_REQUIRED | IS_DISK),
    (LOGICAL_SECTOR, "LogicalSectorSize", IS_REQUIRED | IS_DISK),
    (PHYSICAL_SECTOR, "PhysicalSectorSize", IS_REQUIRED | IS_DISK),
    (PARENT_LOCATOR, "ParentLocator", IS_REQUIRED),
];

pub(crate) fn check(file: &dyn ReadAt, metadata: &Metadata, report: &mut Report<'_>) -> Result<(), Error> {
    let at = metadata.table_at;
    let table = file.slice(at, TABLE_BYTES)?;
    reserved(file, at + 8..at + 10, codes::CHECK_METADATA_RESERVED, "head of the metadata table", report)?;
    reserved(file, at + 12..at + 32, codes::CHECK_METADATA_RESERVED, "head of the metadata table", report)?;
    // OK: `Metadata::read` rejects more than 2047.
    let (head, entries) = split_table::<32>(&table);
    let count = u32::from(Fields::le(&head).u16::<10>()).min(MAX_ENTRIES);
    let end = 32 + u64::from(count) * 32;
    for (entry_at, entry) in (at + 32..at + end).step_by(32).zip(entries) {
        let raw = RawItem::decode(entry);
        item(file, &raw, entry_at, at, report)?;
        reserved(
            file,
            entry_at + 28..entry_at + 32,
            codes::CHECK_METADATA_RESERVED,
            "an entry of the metadata table",
            report,
        )?;
    }
    let rest = at + end..at + TABLE_BYTES as u64;
    reserved(
        file,
        rest,
        codes::CHECK_METADATA_RESERVED,
        "after the last entry of the metadata table",
        report,
    )?;
    if metadata.physical_sector < metadata.logical_sector {
        let (physical, logical) = (metadata.physical_sector, metadata.logical_sector);
        let message =
            format!("physical sectors of {physical} bytes are smaller than logical ones of {logical}");
        report.note(codes::CHECK_SECTORS, at, message);
    }
    if metadata.page_83 == Guid::ZERO {
        report.note(codes::CHECK_DISK_ID, at, "the disk id is all zeros, expected a random one".into());
    }
    Ok(())
}

fn item(
    file: &dyn ReadAt,
    raw: &RawItem,
    entry_at: u64,
    table_at: u64,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let known = KNOWN.iter().find(|(guid, ..)| *guid == raw.guid && raw.flags & IS_USER == 0);
    let Some((guid, name, expected)) = known else {
        let kind = if raw.flags & IS_USER == 0 { "metadata item" } else { "a user's metadata item" };
        let message = format!("unknown optional {kind} {} is ignored", raw.guid);
        report.note(codes::CHECK_ITEM_OPTIONAL, entry_at, message);
        return Ok(());
    };
    if raw.flags != *expected {
        let message = format!("the flags of {name} are {:#x}, expected {expected:#x}", raw.flags);
        report.note(codes::CHECK_ITEM_FLAGS, entry_at + 24, message);
    }
    if *guid == FILE_PARAMETERS {
        let flags_at = table_at + u64::from(raw.offset) + 4;
        let flags = LittleEndian::read_u32(&file.array::<4>(flags_at)?);
        if flags > 3 {
            let message =
                format!("the flags of the file parameters are {flags:#x}, bits 2 to 31 are reserved");
            report.note(codes::CHECK_PARAMETERS_RESERVED, flags_at, message);
        }
    }
    Ok(())
}

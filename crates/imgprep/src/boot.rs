//! What starts the machine, as far as the first bytes of a disk tell it.

use imgprep_policy::{Boot, PartitionTable};

/// Bytes of the disk that are looked at: MBR, GPT header and a whole table of 128 entries,
/// with sectors of 512 or of 4096 bytes.
pub(crate) const HEAD: u64 = 64 << 10;

const EFI_SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// Looks at the beginning of a disk. `BitLocker` is seen where the disk has no partitions only.
pub(crate) fn boot(head: &[u8]) -> Boot {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let is_signed = has(510, &[0x55, 0xaa]);
    let entries: Vec<&[u8]> = head.get(446..510).map(|table| table.chunks(16).collect()).unwrap_or_default();
    let is_mbr = is_signed
        && entries.iter().all(|entry| matches!(entry[0], 0 | 0x80))
        && entries.iter().any(|entry| entry[4] != 0);
    let has_boot_code = Some(is_signed && head.first().is_some_and(|first| *first != 0));
    let gpt = [512, 4096].into_iter().find(|sector| has(*sector, b"EFI PART"));
    let (table, has_efi_partition) = match gpt {
        Some(sector) => (PartitionTable::Gpt, gpt_has_efi(head, sector)),
        None if is_mbr => (PartitionTable::Mbr, Some(entries.iter().any(|entry| entry[4] == 0xef))),
        None => (PartitionTable::None, Some(false)),
    };
    Boot { table: Some(table), has_boot_code, has_efi_partition, has_bitlocker: Some(has(3, b"-FVE-FS-")) }
}

/// Goes through the entries that lie in the head; `None` if there are more.
fn gpt_has_efi(head: &[u8], sector: usize) -> Option<bool> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let first = u64::from_le_bytes(head.get(sector + 72..sector + 80)?.try_into().ok()?);
    let (count, size) = (u32_at(sector + 80)?, u32_at(sector + 84)?);
    let first = usize::try_from(first).ok()?.checked_mul(sector)?;
    let size = usize::try_from(size).ok().filter(|size| *size >= 16)?;
    for index in 0..usize::try_from(count).ok()? {
        let at = index.checked_mul(size).and_then(|at| at.checked_add(first))?;
        if head.get(at..at.checked_add(16)?)? == EFI_SYSTEM {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(parts: &[(usize, &[u8])]) -> Boot {
        let mut head = vec![0; 65536];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        boot(&head)
    }

    #[test]
    fn tables_and_firmware() {
        let signed: (usize, &[u8]) = (510, &[0x55, 0xaa]);
        let of = |boot: Boot| (boot.table.unwrap(), boot.has_boot_code, boot.has_efi_partition);
        assert_eq!(of(disk(&[])), (PartitionTable::None, Some(false), Some(false)));
        assert_eq!(of(boot(&[])), (PartitionTable::None, Some(false), Some(false)));
        let mbr = disk(&[signed, (0, &[0xeb]), (450, &[0x83])]);
        assert_eq!(of(mbr), (PartitionTable::Mbr, Some(true), Some(false)));
        assert_eq!(of(disk(&[signed, (450, &[0xef])])), (PartitionTable::Mbr, Some(false), Some(true)));
        let header = |sector: usize| {
            let mut bytes = vec![0; 96];
            bytes[..8].copy_from_slice(b"EFI PART");
            bytes[72] = 2;
            bytes[80] = 128;
            bytes[84] = 128;
            (sector, bytes)
        };
        for sector in [512, 4096] {
            let (at, bytes) = header(sector);
            assert_eq!(of(disk(&[signed, (at, &bytes)])), (PartitionTable::Gpt, Some(false), Some(false)));
            let with = disk(&[signed, (at, &bytes), (2 * sector + 3 * 128, &EFI_SYSTEM)]);
            assert_eq!(of(with), (PartitionTable::Gpt, Some(false), Some(true)));
        }
        assert_eq!(disk(&[(3, b"-FVE-FS-")]).has_bitlocker, Some(true));
    }

    #[test]
    fn a_table_that_declares_monsters_is_not_walked() {
        let mut bytes = vec![0xff; 96];
        bytes[..8].copy_from_slice(b"EFI PART");
        assert_eq!(disk(&[(512, &bytes)]).has_efi_partition, None);
    }
}

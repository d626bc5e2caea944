//! The image that is damaged.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, text};
use crate::vhd::encode::{Vhd, Written, seal};

pub(crate) const HEADER: usize = 512;

/// Blocks of 16 KiB; 0, 2 and 3 are stored.
pub(crate) const BLOCK: u64 = 1 << 14;

pub(crate) fn recipe() -> Vhd {
    let disk = disk_of(
        6 * BLOCK as usize,
        &[(0, text(BLOCK as usize)), (2 * BLOCK as usize, Noise::new(1).bytes(2 * BLOCK as usize))],
    );
    Vhd::new(3, disk.len() as u64, BLOCK as u32).with_disk(&disk)
}

pub(crate) fn edited(edit: impl Fn(&mut Written)) -> Vec<u8> {
    let mut written = recipe().write();
    edit(&mut written);
    written.file
}

/// `bytes` over those at `at` of both footers, with the right checksums.
pub(crate) fn footers_with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(|written| {
        for start in [0, written.footer] {
            put(&mut written.file, start + at, bytes);
            seal(&mut written.file[start as usize..][..512], 64);
        }
    })
}

/// `bytes` over those at `at` of the header, with the right checksum.
pub(crate) fn header_with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(|written| {
        put(&mut written.file, HEADER as u64 + at, bytes);
        seal(&mut written.file[HEADER..HEADER + 1024], 36);
    })
}

/// Another table entry.
pub(crate) fn entry_with(index: u64, sector: impl Fn(&Written) -> u64) -> Vec<u8> {
    edited(|written| {
        let value = sector(written) as u32;
        put(&mut written.file, written.bat + index * 4, &value.to_be_bytes());
    })
}

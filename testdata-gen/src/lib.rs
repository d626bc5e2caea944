//! Deterministic test images from recipes.
//!
//! The encoders here share no code with the readers: they were written from the
//! specifications, so that one misreading does not hide another. Every image comes with
//! the disk that reading it must yield.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod bytes;
mod detect_cases;
mod disk;
mod disk_cases;
mod formats;
mod model;
mod polyglot;
mod qcow;
mod qcow2;
mod qed;
mod raw;
mod resource_bombs;
mod rows;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod zvhd;

use std::io;
use std::path::{Path, PathBuf};

pub use detect_cases::{Stranger, disks, plain_disk, strangers, wiped};
pub use disk::{Noise, disk_of};
pub use disk_cases::{
    SparseDisk, bios_and_uefi, gpt_of_large_sectors, hybrid_mbr, mbr_of_large_sectors, stale_gpt,
    uefi_with_code, unprotected_gpt, vhdx_of_large_sectors, vhdx_of_large_sectors_with,
};
pub use formats::{FormatImages, anomalous, broken, damaged, good, of_format, provoking, undamaged};
pub use model::{AnomalousImage, BrokenImage, GoodImage, ImageFile, Provoked, Provoking, Refused};
pub use qcow2::encode::{Cell, Qcow2};
pub use qcow2::good::sample;
pub use resource_bombs::{ResourceBomb, resource_bombs};
pub use vdi::cases::{repeated_entries_vdi, vdi_cases};
pub use vhd::cases::{
    BitmapCase, bitmap_cases, bitmap_of_a_child, footers_of_different_disks, shuffled_vhd, vhd_cases,
};
pub use vmdk::cases as vmdk_cases;
pub use zvhd::encode::{
    ZvhdCompression, seal as seal_zvhd_page, zvhd as zvhd_of, zvhd_finished, zvhd2 as zvhd2_of_disk,
};
pub use zvhd::encode::{compress as compress_zvhd_block, zvhd2_of as zvhd2_of_payloads};
pub use zvhd::strict::{StrictImage, Writer, check_zvhd_strictly};

/// Writes the files of an image into `folder`; the path of the one to open.
pub fn write_files(files: &[ImageFile], folder: &Path) -> io::Result<PathBuf> {
    for file in files {
        std::fs::write(folder.join(&file.name), &file.bytes)?;
    }
    // The image itself is always the first of its files.
    files.first().map(|file| folder.join(&file.name)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

//! Deterministic test images from recipes.
//!
//! The encoders here share no code with the readers: they were written from the
//! specifications, so that one misreading does not hide another. Every image comes with
//! the disk that reading it must yield.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod anomalous;
mod anomalous_qcow;
mod anomalous_qed;
mod anomalous_vdi;
mod anomalous_vhd;
mod anomalous_vhdx;
mod anomalous_vmdk;
mod broken;
mod detect_cases;
mod disk;
mod disk_cases;
mod good;
mod model;
mod of_format;
mod polyglot;
mod qcow;
mod qcow2;
mod qcow2_cases;
mod qcow2_codes;
mod qed;
mod resource_bombs;
mod vdi;
mod vdi_cases;
mod vhd;
mod vhd_broken;
mod vhd_cases;
mod vhd_good;
mod vhdx;
mod vhdx_broken;
mod vhdx_good;
mod vmdk;
pub mod vmdk_cases;
mod zvhd;
mod zvhd_strict;

use std::io;
use std::path::{Path, PathBuf};

pub use anomalous::anomalous;
pub use broken::broken;
pub use detect_cases::{Stranger, disks, plain_disk, strangers, wiped};
pub use disk::{Noise, disk_of};
pub use disk_cases::{
    SparseDisk, bios_and_uefi, gpt_of_large_sectors, hybrid_mbr, mbr_of_large_sectors, stale_gpt,
    uefi_with_code, unprotected_gpt, vhdx_of_large_sectors, vhdx_of_large_sectors_with,
};
pub use good::{good, sample};
pub use model::{AnomalousImage, BrokenImage, GoodImage, ImageFile, Refused};
pub use of_format::{FormatImages, of_format};
pub use qcow2::{Cell, Qcow2};
pub use qcow2_cases::{damaged, undamaged};
pub use qcow2_codes::{Provoked, Provoking, provoking};
pub use resource_bombs::{ResourceBomb, resource_bombs};
pub use vdi_cases::{repeated_entries_vdi, vdi_cases};
pub use vhd_cases::{
    BitmapCase, bitmap_cases, bitmap_of_a_child, footers_of_different_disks, shuffled_vhd, vhd_cases,
};
pub use zvhd::{
    ZvhdCompression, seal as seal_zvhd_page, zvhd as zvhd_of, zvhd_finished, zvhd2 as zvhd2_of_disk,
};
pub use zvhd::{compress as compress_zvhd_block, zvhd2_of as zvhd2_of_payloads};
pub use zvhd_strict::{StrictImage, Writer, check_zvhd_strictly};

/// Writes the files of an image into `folder`; the path of the one to open.
pub fn write_files(files: &[ImageFile], folder: &Path) -> io::Result<PathBuf> {
    for file in files {
        std::fs::write(folder.join(&file.name), &file.bytes)?;
    }
    // The image itself is always the first of its files.
    files.first().map(|file| folder.join(&file.name)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

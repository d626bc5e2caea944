//! The facts to be judged, provided by the caller that opened the image.

use std::path::PathBuf;

use crate::Violation;

/// The facts of one image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its path, as given by the user.
    pub path: PathBuf,
    /// Length of the file, in bytes.
    pub file_len: u64,
    /// The kind of its contents.
    pub kind: Kind,
    /// Virtual size, in bytes, if it is known.
    pub virtual_size: Option<u64>,
    /// The encryption of the payload, as text.
    pub encryption: Option<String>,
    /// The name of the parent.
    pub parent: Option<String>,
    /// Names of other files with data of the disk, as stored in the image.
    pub associated_files: Vec<String>,
    /// A VMDK's `createType`.
    pub create_type: Option<String>,
    /// The bitmap next to the image.
    pub bitmap: BitmapFile,
    /// Boot facts.
    pub boot: Boot,
    /// Sectors of the disk.
    pub sectors: Sectors,
    /// Encrypted volumes on the disk, as text.
    pub locked: Vec<String>,
    /// The reason why the image cannot be converted, if there is one.
    pub broken: Option<String>,
    /// The possible conversion.
    pub conversion: Conversion,
    /// Whether the image can be rewritten in its own format without losing anything but comments and identities.
    pub is_rewritable: bool,
    /// The format that the user selected or must select; `None` if detection decides.
    pub from: Option<String>,
    /// Whether files in other folders were opened for it.
    pub is_followed_anywhere: bool,
    /// Existing files among those that a remedy may create: see [`created_names`](crate::created_names).
    pub taken: Vec<PathBuf>,
    /// Reported errors that a conversion removes: every route requires the conversion.
    pub rewrite: Vec<Violation>,
}

/// The possible conversion of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversion {
    /// The whole disk can be read.
    Whole,
    /// Part of the disk can be read; the rest is filled with zeros on request.
    Salvage,
    /// The file cannot be read.
    #[default]
    Refused,
}

/// Bytes of the disk's logical sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sectors {
    /// The size that the image declares.
    pub declared: Option<u32>,
    /// The unit of the partition table, if there is one.
    pub table: Option<u32>,
}

/// The kind of a file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A disk image of this format.
    Disk(String),
    /// A disk image of this format, which is recognised but not supported.
    Unread(String),
    /// An ISO image.
    Iso,
    /// Not a disk image: an archive, a compressed file.
    Other(String),
}

impl Kind {
    /// The format's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Disk(name) | Self::Unread(name) | Self::Other(name) => name,
            Self::Iso => "iso",
        }
    }
}

/// The bitmap next to a RAW.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BitmapFile {
    /// The bitmap does not exist.
    #[default]
    Missing,
    /// It is empty.
    Empty,
    /// It is older than the image.
    Older,
    /// It exists; its contents were not compared.
    Present,
    /// It was compared with the disk and differs.
    Differs(String),
}

/// Boot facts; `None` means "not inspected".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// The partition table.
    pub table: Option<PartitionTable>,
    /// Whether sector 0 contains boot code and ends with 55 aa.
    pub has_boot_code: Option<bool>,
    /// Whether there is an EFI system partition.
    pub has_efi_partition: Option<bool>,
    /// Whether boot code with a GPT has a BIOS boot partition or an active partition.
    pub starts_from_bios: Option<bool>,
}

/// The kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionTable {
    /// None.
    None,
    /// Master boot record.
    Mbr,
    /// GUID partition table.
    Gpt,
}

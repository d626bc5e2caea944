//! The facts that are judged. Whoever opened the image fills them in.

use std::path::PathBuf;

use crate::Violation;

/// What is known of one image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name, as the user gave it.
    pub path: PathBuf,
    /// Length of the file, in bytes.
    pub file_len: u64,
    /// What its contents are.
    pub kind: Kind,
    /// Length of the disk, in bytes, if the image could be read so far.
    pub virtual_size: Option<u64>,
    /// How the payload is locked away, in words.
    pub encryption: Option<String>,
    /// The name of the layer below.
    pub parent: Option<String>,
    /// Other files that hold the disk's data, as the image names them.
    pub associated_files: Vec<String>,
    /// A VMDK's `createType`.
    pub create_type: Option<String>,
    /// What lies beside the image under its stem and the extension of a bitmap.
    pub bitmap: BitmapFile,
    /// What starts the machine.
    pub boot: Boot,
    /// Sectors of the disk.
    pub sectors: Sectors,
    /// Volumes inside that are locked away, in words.
    pub locked: Vec<String>,
    /// Why the image cannot be converted as it is, if it cannot.
    pub broken: Option<String>,
    /// What a conversion of the file can do.
    pub conversion: Conversion,
    /// The format that the user chose, or must choose; empty where detection decides.
    pub from: Option<String>,
    /// Whether files in other folders were opened for it.
    pub is_followed_anywhere: bool,
    /// Files that exist, of those that a remedy may create: see [`created_names`](crate::created_names).
    pub taken: Vec<PathBuf>,
    /// Errors that are reported already and that a conversion removes: no route is open before that.
    pub rewrite: Vec<Violation>,
}

/// What a conversion of a file can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversion {
    /// It reads all of the disk.
    Whole,
    /// It reads what it can, if it is asked to fill the rest with zeros.
    Salvage,
    /// It refuses the file.
    #[default]
    Refused,
}

/// Bytes of the disk's logical sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sectors {
    /// As the image declares.
    pub declared: Option<u32>,
    /// In which the partition table counts, if there is one.
    pub table: Option<u32>,
}

/// What a file's contents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A disk image of this format.
    Disk(String),
    /// A disk image of this format, which this program recognises and does not read.
    Unread(String),
    /// An ISO image.
    Iso,
    /// No disk image: an archive, a compressed file.
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

/// The bitmap beside a RAW.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BitmapFile {
    /// The bitmap does not exist.
    #[default]
    Missing,
    /// It has no byte.
    Empty,
    /// The image was changed after it was written.
    Older,
    /// It is there, and its contents were not looked at.
    Present,
    /// It was held against the disk, in the layout that the user named, and differs.
    Differs(String),
}

/// What starts the machine; `None` is "not looked at".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// How the disk is divided.
    pub table: Option<PartitionTable>,
    /// Whether sector 0 ends in 55 aa and begins with code.
    pub has_boot_code: Option<bool>,
    /// Whether a partition is marked as EFI's.
    pub has_efi_partition: Option<bool>,
    /// Whether the code of sector 0 finds something to start: a BIOS boot partition or an active one, of a GPT.
    pub starts_from_bios: Option<bool>,
}

/// How a disk is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionTable {
    /// Not at all.
    None,
    /// Master boot record.
    Mbr,
    /// GUID partition table.
    Gpt,
}

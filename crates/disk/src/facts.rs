//! The results of an inspection.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use imgprep_map::{Code, ReadError, Severity, Value};

use crate::Volume;
use crate::codes;
use crate::kind::{BIOS_BOOT, EFI_SYSTEM, guid_text, of_gpt, of_mbr};

/// The contents of a disk, judged by its first bytes: information for people and policies, never used for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The disk has no bytes.
    Empty,
    /// The inspected bytes are all zeros.
    Zeros,
    /// A GUID partition table.
    Gpt,
    /// A master boot record with partitions.
    Mbr,
    /// A protective master boot record without a GPT.
    Protective,
    /// A file system, or another volume, without partitions around it.
    Volume(Volume),
    /// A boot sector without a partition table.
    BootSector,
    /// None of these.
    Unknown,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing: a disk of 0 bytes",
            Self::Zeros => "zeros at the beginning",
            Self::Gpt => "GPT partitions",
            Self::Mbr => "MBR partitions",
            Self::Protective => "a protective MBR without its GPT",
            Self::Volume(volume) if volume.is_encrypted => {
                return write!(f, "bare {}, encrypted, no partitions", volume.name);
            }
            Self::Volume(volume) => return write!(f, "bare {}, no partitions", volume.name),
            Self::BootSector => "a boot sector without partitions",
            Self::Unknown => "unknown",
        })
    }
}

/// The type of a partition in its partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// A number in an MBR.
    Mbr(u8),
    /// A GUID, in its on-disk byte order.
    Gpt([u8; 16]),
}

impl PartitionKind {
    /// The meaning of the type, if it is known.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Mbr(number) => of_mbr(*number),
            Self::Gpt(guid) => of_gpt(guid),
        }
    }
}

/// `0x83`, or a GUID.
impl fmt::Display for PartitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mbr(number) => write!(f, "0x{number:02x}"),
            Self::Gpt(guid) => f.write_str(&guid_text(guid)),
        }
    }
}

/// One entry of a partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as operating systems count.
    pub number: u32,
    /// Disk offset of its first byte. Saturated: tables can contain any sector number.
    pub start: u64,
    /// Its length, in bytes.
    pub len: u64,
    /// Its type.
    pub kind: PartitionKind,
    /// Its name in a GPT, unescaped.
    pub name: String,
    /// Whether it is marked as bootable for a BIOS.
    pub is_active: bool,
    /// Disk offset of the entry.
    pub entry_at: u64,
    /// The contents of its first bytes, if they were read and recognised.
    pub volume: Option<Volume>,
}

impl Partition {
    /// Disk offset after its last byte.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    fn value(&self) -> Value {
        let mut table = Vec::from([
            ("number", Value::Number(self.number.into())),
            ("start", Value::Number(self.start)),
            ("length", Value::Number(self.len)),
            ("type", Value::Text(self.kind.to_string())),
        ]);
        let mut text = |key, text: &str| table.push((key, Value::Text(text.into())));
        if let Some(name) = self.kind.name() {
            text("type-name", name);
        }
        if !self.name.is_empty() {
            text("name", &self.name);
        }
        if let Some(volume) = self.volume {
            text("contents", volume.name);
        }
        table.push(("active", Value::Flag(self.is_active)));
        table.push(("entry-offset", Value::Number(self.entry_at)));
        Value::Table(table)
    }
}

/// An anomaly of the partition tables of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The code.
    pub code: &'static Code,
    /// The severity.
    pub severity: Severity,
    /// Disk offset of the anomaly.
    pub at: u64,
    /// The anomaly and its meaning, one line.
    pub message: String,
}

/// The contents of a disk, from its first and last sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFacts {
    /// Length of the disk, in bytes.
    pub size: u64,
    /// The kind of contents.
    pub contents: Contents,
    /// Bytes of a sector, the unit of the partition table.
    pub sector: u32,
    /// The partitions, in the order of their table; logical partitions follow the primary ones.
    pub partitions: Vec<Partition>,
    /// Whether the first sector contains boot code.
    pub has_boot_code: bool,
    /// Whether the MBR before a GPT has partitions of its own.
    pub has_hybrid_mbr: bool,
    /// Whether the checksums of the GPT, or of its backup, match. An MBR has none.
    pub is_table_valid: bool,
    /// Anomalies.
    pub oddities: Vec<Oddity>,
    /// Errors of ranges that could not be read and were skipped.
    pub unread: Vec<ReadError>,
}

impl DiskFacts {
    /// `gpt` or `mbr`, if there is a table.
    pub fn table(&self) -> Option<&'static str> {
        match self.contents {
            Contents::Gpt => Some("gpt"),
            Contents::Mbr | Contents::Protective => Some("mbr"),
            _ => None,
        }
    }

    /// Whether entries of the GPT are invalid.
    pub fn has_invalid_gpt_entries(&self) -> bool {
        self.oddities.iter().any(|oddity| oddity.code == codes::GPT_ENTRIES)
    }

    /// Whether there is an EFI system partition.
    pub fn has_efi_system(&self) -> bool {
        self.partitions.iter().any(|partition| partition.kind.name() == Some(EFI_SYSTEM))
    }

    /// Whether there is a BIOS boot partition.
    pub fn has_bios_boot(&self) -> bool {
        self.partitions.iter().any(|partition| partition.kind.name() == Some(BIOS_BOOT))
    }

    /// Whether a BIOS can boot the disk: boot code in the first sector and, with a GPT, a BIOS boot or active partition.
    pub fn starts_from_bios(&self) -> bool {
        let is_active = self.partitions.iter().any(|partition| partition.is_active);
        let leads_on =
            self.contents != Contents::Gpt || self.has_bios_boot() || is_active || self.has_hybrid_mbr;
        self.has_boot_code && leads_on
    }

    /// Encrypted volumes: the disk's own, or those of its partitions.
    pub fn encrypted(&self) -> impl Iterator<Item = Volume> {
        let whole = match self.contents {
            Contents::Volume(volume) => Some(volume),
            _ => None,
        };
        let inside = self.partitions.iter().filter_map(|partition| partition.volume);
        whole.into_iter().chain(inside).filter(|volume| volume.is_encrypted)
    }

    /// All results as facts: `contents`, `partition-table`, `partitions`, `boot`.
    pub fn details(&self) -> Vec<(&'static str, Value)> {
        let mut details = Vec::from([("contents", Value::Text(self.contents.to_string()))]);
        if let Some(table) = self.table() {
            details.push(("partition-table", Value::Text(table.into())));
            details.push(("sector-size", Value::Number(self.sector.into())));
        }
        let encrypted: Vec<_> = self.encrypted().map(|volume| Value::Text(volume.name.into())).collect();
        if !encrypted.is_empty() {
            details.push(("encrypted-contents", Value::List(encrypted)));
        }
        let flag = |is| Value::Flag(is);
        let boot = Vec::from([
            ("boot-code", flag(self.has_boot_code)),
            ("active-partition", flag(self.partitions.iter().any(|partition| partition.is_active))),
            ("bios-boot-partition", flag(self.has_bios_boot())),
            ("efi-system-partition", flag(self.has_efi_system())),
        ]);
        details.push(("boot", Value::Table(boot)));
        details.push(("partitions", Value::List(self.partitions.iter().map(Partition::value).collect())));
        details
    }
}

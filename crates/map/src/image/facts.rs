//! The facts of an image, for `info`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Code;

/// The properties of one image, in addition to its map.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The format's name, lower case: `qcow2`.
    pub format: &'static str,
    /// The variant within the format, as text: `version 3, zstd`.
    pub variant: String,
    /// Bytes that one table entry describes, if the format has an allocation unit.
    pub cluster_size: Option<u64>,
    /// The encryption, if there is one.
    pub encryption: Option<Encryption>,
    /// Whether the image is marked as not closed properly.
    pub dirty: bool,
    /// Internal snapshots, in the order of the image's own table.
    pub snapshots: Vec<Snapshot>,
    /// The format's own fields under the names that `qemu-img info` uses, where it
    /// has them. They become `format-specific.data` in JSON.
    pub details: Vec<(&'static str, Value)>,
}

impl Facts {
    /// Facts with only the format's name and variant.
    pub fn new(format: &'static str, variant: impl Into<String>) -> Self {
        Self {
            format,
            variant: variant.into(),
            cluster_size: None,
            encryption: None,
            dirty: false,
            snapshots: Vec::new(),
            details: Vec::new(),
        }
    }
}

/// The value of one of a format's own fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A count, a size in bytes, an offset.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Several values.
    List(Vec<Value>),
    /// Named values.
    Table(Vec<(&'static str, Value)>),
}

/// The encryption of an image's payload, which is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The AES of QCOW and early QCOW2.
    Aes,
    /// LUKS.
    Luks,
    /// Another method, by the number in the image.
    Other(u32),
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aes => f.write_str("AES"),
            Self::Luks => f.write_str("LUKS"),
            Self::Other(number) => write!(f, "method {number}"),
        }
    }
}

/// One internal snapshot, with the fields of `qemu-img info`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Unique within the image; often a number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes of saved machine state.
    pub vm_state_size: u64,
    /// Time of creation, in seconds since 1970.
    pub date_sec: u64,
    /// The nanoseconds of that time.
    pub date_nsec: u32,
    /// Running time of the guest, in nanoseconds.
    pub vm_clock_nsec: u64,
    /// Executed guest instructions, if stored.
    pub icount: Option<u64>,
    /// Size of the disk at that time, in bytes, if stored.
    pub disk_size: Option<u64>,
}

/// An anomaly that does not prevent reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable, dotted, lower case: `qcow2.header.dirty`.
    pub code: &'static Code,
    /// The severity for a reader of the disk.
    pub severity: Severity,
    /// File offset of the anomaly.
    pub at: Option<u64>,
    /// The anomaly and its meaning, one line.
    pub message: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Note,
    /// The disk is read correctly, but needs attention.
    Warning,
    /// Part of the disk may have other contents than intended.
    Error,
}

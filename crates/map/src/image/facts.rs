//! The facts of an image, for `info`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a format says about one image, beyond its map.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The format's name, lower case: `qcow2`.
    pub format: &'static str,
    /// The variant within the format, for people: `version 3, zstd`.
    pub variant: String,
    /// Bytes that one table entry describes, if the format has an allocation unit.
    pub cluster_size: Option<u64>,
    /// What is locked away, if anything.
    pub encryption: Option<Encryption>,
    /// Whether the image says of itself that it was not closed properly.
    pub dirty: bool,
    /// Internal snapshots, in the order of the image's own table.
    pub snapshots: Vec<Snapshot>,
    /// The format's own fields under the names that `qemu-img info` uses, where it
    /// has them. They become `format-specific.data` in JSON.
    pub details: Vec<(&'static str, Value)>,
}

impl Facts {
    /// Facts that say no more than the format's name and variant.
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
    /// Words.
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

/// How an image's payload is locked away. Nothing of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The AES of QCOW and early QCOW2.
    Aes,
    /// LUKS.
    Luks,
    /// Another method, by the number that the image gives.
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
    /// The name that a person gave.
    pub name: String,
    /// Bytes of saved machine state.
    pub vm_state_size: u64,
    /// Seconds since 1970 when it was taken.
    pub date_sec: u64,
    /// Nanoseconds of the same.
    pub date_nsec: u32,
    /// Nanoseconds that the guest had run.
    pub vm_clock_nsec: u64,
    /// Guest instructions executed, where the image says so.
    pub icount: Option<u64>,
    /// Bytes of the disk at that time, where the image says so.
    pub disk_size: Option<u64>,
}

/// An oddity that was survived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable, dotted, lower case: `qcow2.header.dirty`.
    pub code: &'static str,
    /// How much it matters to a reader of the disk.
    pub severity: Severity,
    /// File offset of what is odd.
    pub at: Option<u64>,
    /// What was found and what it means, one line.
    pub message: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Note,
    /// The disk is read correctly, but needs attention.
    Warning,
    /// Part of the disk may not be what it was.
    Error,
}

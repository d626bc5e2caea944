//! Compares a file and its disk with what the receipt of a conversion contains.

use std::path::Path;

use imgprep_engine::{
    CHUNK, ChecksumRange, Checksums, Digest, DigestAlgorithm, EngineError, OnLoss, Options, TrailingData,
    checksum, scan_tables,
};
use imgprep_map::{Error, ParseOptions, SizeChoice, hex};
use imgprep_open::{FollowPolicy, OpenOptions};

use crate::{Disk, LayerInfo, RequestError};

/// The output of a conversion, and how it is opened.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedFile<'a> {
    /// Its path.
    pub path: &'a Path,
    /// The name of its format.
    pub format: &'a str,
    /// Which files that it names may be opened: extents and a backing file.
    pub follow: FollowPolicy,
}

/// What a receipt contains about an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Length of the file, or of all files of the image, in bytes.
    pub file_len: Option<u64>,
    /// Digest of the file.
    pub file: Option<Digest>,
    /// Length of the converted disk, in bytes. The disk of the output may be longer and ends with zeros then.
    pub disk_size: u64,
    /// Digest of the converted disk.
    pub source: Option<Digest>,
    /// Digest of the disk of the output.
    pub output: Option<Digest>,
    /// CRC-32 of the converted disk.
    pub crc32: Option<u32>,
}

/// A property that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// Length of the file, or of all files of the image.
    FileLength,
    /// Digest of the file.
    File(DigestAlgorithm),
    /// Length of the disk, which may be longer than expected.
    DiskSize,
    /// Zeros after the end of the converted disk.
    Padding,
    /// Digest of the disk's contents.
    Contents(DigestAlgorithm),
    /// CRC-32 of the disk's contents.
    Crc32,
}

impl Property {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::FileLength => "file-length",
            Self::File(_) => "file",
            Self::DiskSize => "disk-size",
            Self::Padding => "padding",
            Self::Contents(_) => "contents",
            Self::Crc32 => "crc32",
        }
    }

    /// Whether it depends on all bytes.
    fn is_of_contents(self) -> bool {
        matches!(self, Self::File(_) | Self::Contents(_) | Self::Crc32)
    }

    /// The algorithm of a digest.
    pub fn algorithm(self) -> Option<DigestAlgorithm> {
        match self {
            Self::File(algorithm) | Self::Contents(algorithm) => Some(algorithm),
            _ => None,
        }
    }
}

/// A property that was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedProperty {
    /// The property.
    pub property: Property,
    /// The value in the receipt.
    pub expected: String,
    /// The value of the file.
    pub actual: String,
}

impl ComparedProperty {
    /// Whether both values are the same.
    pub fn is_same(&self) -> bool {
        self.expected == self.actual
    }
}

/// The result of a comparison with a receipt.
#[derive(Debug)]
pub struct Verification {
    /// What was compared, in the order in which it was done.
    pub compared: Vec<ComparedProperty>,
    /// Why the disk could not be read, if the file differs anyway.
    pub unread: Option<Error>,
}

impl Verification {
    /// Whether the file and its disk are those of the receipt.
    pub fn is_same(&self) -> bool {
        self.unread.is_none() && self.compared.iter().all(ComparedProperty::is_same)
    }
}

/// Compares a file and its disk with a receipt. A disk that cannot be read is an error, unless its file differs from the
/// receipt.
pub fn verify_file(
    file: VerifiedFile<'_>,
    expected: &Expected,
    run: &Options<'_>,
) -> Result<Verification, Error> {
    let run = &Options { on_loss: OnLoss::Stop, ..*run };
    let mut compared = Vec::new();
    let disk = file.open();
    match disk.as_ref().map(|disk| &disk.layers()[0]) {
        // OK: a disk has a layer. A receipt has no digest of several files.
        Ok(top) if !top.associated_files.is_empty() => {
            compared.extend(expected.file_len.map(|len| sizes(Property::FileLength, len, top.total_len())));
        }
        _ => compare_file(file.path, expected, run, &mut compared)?,
    }
    let differs = compared.iter().any(|property| !property.is_same());
    let unread = match disk.and_then(|disk| compare_disk(&disk, expected, run, &mut compared)) {
        Err(error) if differs && !run.interrupt.is_raised() => Some(error),
        done => done.map(|()| None)?,
    };
    let done = Verification { compared, unread };
    // The same length alone proves nothing.
    if done.is_same() && !done.compared.iter().any(|property| property.property.is_of_contents()) {
        return Err(RequestError::ReceiptWithoutDigest.into());
    }
    Ok(done)
}

impl VerifiedFile<'_> {
    fn open(self) -> Result<Disk, Error> {
        let parse = ParseOptions { size: SizeChoice::Original, ..ParseOptions::default() };
        let from = imgprep_catalog::by_name(self.format);
        Disk::open(self.path, &OpenOptions { from, parse, follow: self.follow, ..OpenOptions::default() })
    }
}

fn compare_file(
    path: &Path,
    expected: &Expected,
    run: &Options<'_>,
    compared: &mut Vec<ComparedProperty>,
) -> Result<(), Error> {
    let file = VerifiedFile { path, format: imgprep_raw::NAME, follow: FollowPolicy::None }.open()?;
    // A device does not end with the output.
    let is_device = file.layers().iter().any(LayerInfo::is_device);
    if let Some(len) = expected.file_len.filter(|_| !is_device) {
        compared.push(sizes(Property::FileLength, len, file.size()));
    }
    // A file of another length has another digest.
    let digest = expected.file.filter(|_| compared.iter().all(ComparedProperty::is_same));
    if let Some(digest) = digest {
        compare_digest(&file, Property::File(digest.algorithm), digest, run, compared)?;
    }
    Ok(())
}

fn compare_digest(
    disk: &Disk,
    of: Property,
    expected: Digest,
    run: &Options<'_>,
    compared: &mut Vec<ComparedProperty>,
) -> Result<(), Error> {
    for found in crate::digest(disk, &[expected.algorithm], run)? {
        compared.push(property(of, hex(&expected.bytes), hex(&found.bytes)));
    }
    Ok(())
}

fn compare_disk(
    disk: &Disk,
    expected: &Expected,
    run: &Options<'_>,
    compared: &mut Vec<ComparedProperty>,
) -> Result<(), Error> {
    if disk.size() < expected.disk_size {
        compared.push(sizes(Property::DiskSize, expected.disk_size, disk.size()));
        return Ok(());
    }
    // The digest of the source is that of the output, unless the disk of the output is longer.
    let of_source = expected.source.filter(|_| disk.size() == expected.disk_size);
    match expected.output.or(of_source) {
        Some(digest) if digest.algorithm == DigestAlgorithm::Sha256 => {
            compare_digest(disk, Property::Contents(digest.algorithm), digest, run, compared)
        }
        Some(digest) => compare_checksums(disk, expected, Some((digest, disk.size())), run, compared),
        None => {
            let blake3 = expected.source.filter(|digest| digest.algorithm == DigestAlgorithm::Blake3);
            let blake3 = blake3.map(|digest| (digest, expected.disk_size));
            compare_checksums(disk, expected, blake3, run, compared)
        }
    }
}

/// Compares CRC-32 and BLAKE3 in one pass. `blake3` has the digest and the length of the part of the disk that it covers.
fn compare_checksums(
    disk: &Disk,
    expected: &Expected,
    blake3: Option<(Digest, u64)>,
    run: &Options<'_>,
    compared: &mut Vec<ComparedProperty>,
) -> Result<(), Error> {
    if blake3.is_none() && expected.crc32.is_none() {
        return Ok(());
    }
    let found = match checksums(disk, expected.disk_size, blake3.map(|(_, len)| len), run) {
        Ok(found) => found,
        Err(error) => return padding(expected.disk_size, error, compared),
    };
    if let (Some((digest, _)), Some(bytes)) = (blake3, found.blake3()) {
        compared.push(property(Property::Contents(digest.algorithm), hex(&digest.bytes), hex(&bytes)));
    }
    if let Some(crc32) = expected.crc32 {
        let found = format!("{:08x}", found.disk_crc32());
        compared.push(property(Property::Crc32, format!("{crc32:08x}"), found));
    }
    Ok(())
}

fn checksums(disk: &Disk, size: u64, blake3_len: Option<u64>, run: &Options<'_>) -> Result<Checksums, Error> {
    disk.check_readable()?;
    let table_scan = scan_tables(disk.stack(), CHUNK, CHUNK, run)?;
    let range = ChecksumRange { size, trailing: TrailingData::Zeros, blake3_len };
    let sums = checksum(disk.stack(), &table_scan, range, run)?;
    disk.check_unchanged()?;
    Ok(sums)
}

/// Turns the error for bytes after the end of the converted disk into a difference. Every other error is returned.
fn padding(disk_size: u64, error: Error, compared: &mut Vec<ComparedProperty>) -> Result<(), Error> {
    if !matches!(error.detail(), Some(EngineError::Differs { .. })) {
        return Err(error);
    }
    let expected = format!("zeros from disk offset {disk_size}");
    compared.push(property(Property::Padding, expected, "other bytes".into()));
    Ok(())
}

fn property(property: Property, expected: String, actual: String) -> ComparedProperty {
    ComparedProperty { property, expected, actual }
}

fn sizes(of: Property, expected: u64, actual: u64) -> ComparedProperty {
    property(of, expected.to_string(), actual.to_string())
}

//! Header extensions: type, length, data padded to 8 bytes.
//!
//! Source: section "Header extensions".

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::{Fields, TextTooLong};
use imgprep_map::{Error, ImageName, Limits, ReadAt, usize_of};

use crate::Corrupt;
use crate::codes;
use crate::header::Header;

const END: u32 = 0;
pub(crate) const BACKING_FORMAT: u32 = 0xe279_2aca;
const FEATURE_NAMES: u32 = 0x6803_f857;
const BITMAPS: u32 = 0x2385_2875;
const DATA_FILE: u32 = 0x4441_5441;
const CRYPTO_HEADER: u32 = 0x0537_be77;

/// Bytes of a feature name table entry: type, bit, 46 bytes of name.
const FEATURE_BYTES: usize = 48;

/// A set of feature bits, with its number in the feature name table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureSet {
    Incompatible = 0,
    Compatible = 1,
    Autoclear = 2,
}

impl FeatureSet {
    const ALL: [Self; 3] = [Self::Incompatible, Self::Compatible, Self::Autoclear];
}

/// Contents of the header extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) backing_format: Option<ImageName>,
    /// File offset and name.
    pub(crate) data_file: Option<(u64, ImageName)>,
    /// Number of bitmaps in the directory, if the extension contains it.
    pub(crate) bitmaps: Option<u32>,
    /// File offset, length in bytes and number of entries of the bitmap directory.
    pub(crate) bitmap_directory: Option<(u64, u64, u32)>,
    /// File offset and length of the LUKS header.
    pub(crate) crypto: Option<(u64, u64)>,
    /// Whether there is a pointer to a LUKS header, readable or not.
    pub(crate) has_crypto: bool,
    /// Set, bit and name of features.
    features: Vec<(FeatureSet, u8, ImageName)>,
}

impl Extensions {
    /// Reads all extensions. Unknown ones are allowed.
    ///
    /// They end with the header's cluster, or at the name of the backing file if that comes first. Fails if
    /// an extension extends past that end or exceeds the limit of texts.
    pub(crate) fn read(file: &dyn ReadAt, header: &Header, limits: &Limits) -> Result<Self, Error> {
        let mut found = Self::default();
        let end = header.backing_name.map_or(header.cluster_size(), |(at, _)| at.min(header.cluster_size()));
        let end = end.min(file.len());
        let mut at = header.length;
        while at + 8 <= end {
            let head = file.array::<8>(at)?;
            let head = Fields::be(&head);
            let (kind, len) = (head.u32::<0>(), u64::from(head.u32::<4>()));
            if kind == END {
                break;
            }
            let room = end - at - 8;
            if len > room {
                return Err(Corrupt::ExtensionOverrun { at, kind, len, room }.into());
            }
            if len > limits.text_bytes {
                let (code, what) = (codes::LIMIT_TEXT, "header extension");
                return Err(
                    TextTooLong { code, at: at + 4, what, found: len, limit: limits.text_bytes }.into()
                );
            }
            // OK: limited to a MiB above.
            let data = file.slice(at + 8, usize_of(len))?;
            found.take(kind, at + 8, &data);
            at += 8 + len.next_multiple_of(8);
        }
        Ok(found)
    }

    fn take(&mut self, kind: u32, at: u64, data: &[u8]) {
        match kind {
            BACKING_FORMAT => self.backing_format = Some(ImageName(data.to_vec())),
            DATA_FILE => self.data_file = Some((at, ImageName(data.to_vec()))),
            BITMAPS => {
                self.bitmaps = data.get(..4).map(BigEndian::read_u32);
                let u64_at = |at: usize| data.get(at..at + 8).map(BigEndian::read_u64);
                let directory = u64_at(16).zip(u64_at(8)).zip(self.bitmaps);
                self.bitmap_directory = directory.map(|((at, len), count)| (at, len, count));
            }
            CRYPTO_HEADER => {
                self.has_crypto = true;
                let u64_at = |at: usize| data.get(at..at + 8).map(BigEndian::read_u64);
                self.crypto = u64_at(0).zip(u64_at(8));
            }
            FEATURE_NAMES => {
                let entries = data.as_chunks::<FEATURE_BYTES>().0;
                self.features.extend(entries.iter().filter_map(|[set, bit, name @ ..]| {
                    let set = FeatureSet::ALL.into_iter().find(|known| *known as u8 == *set)?;
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                    Some((set, *bit, ImageName(name.to_vec())))
                }));
            }
            _ => {}
        }
    }

    /// Names of feature bits as the image defines them, or their numbers.
    pub(crate) fn feature_names(&self, set: FeatureSet, bits: u64) -> String {
        let names = (0..64u8).filter(|bit| bits >> bit & 1 == 1).map(|bit| {
            let name = self.features.iter().find(|(of, named, _)| *of == set && *named == bit);
            name.map_or_else(|| alloc::format!("bit {bit}"), |(.., name)| name.to_string())
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

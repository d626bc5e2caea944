//! Detects changes of a file by its length, its time, and samples of its contents.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Bytes of a sample, and the number of samples, which include the beginning and the end of the file.
const SAMPLE: u64 = 64 << 10;
const SAMPLES: u64 = 16;

/// A path in the journal: text, or bytes if it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathRepr", into = "PathRepr")]
pub(crate) struct JournalPath(pub(crate) PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PathRepr {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<JournalPath> for PathRepr {
    fn from(path: JournalPath) -> Self {
        path.0
            .into_os_string()
            .into_string()
            .map_or_else(|name| Self::Bytes(name.into_encoded_bytes()), Self::Text)
    }
}

impl From<PathRepr> for JournalPath {
    fn from(repr: PathRepr) -> Self {
        Self(match repr {
            PathRepr::Text(text) => text.into(),
            PathRepr::Bytes(bytes) => imgprep::path_from_bytes(bytes),
        })
    }
}

/// Length and time of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStamp {
    /// Bytes.
    pub(crate) len: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub(crate) modified: i64,
}

impl FileStamp {
    /// The current stamp of a file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::from_metadata(&std::fs::metadata(path)?)
    }

    fn from_metadata(found: &Metadata) -> io::Result<Self> {
        let modified = match found.modified()?.duration_since(UNIX_EPOCH) {
            // OK: saturates; times after the year 2262 do not fit.
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            // OK: as above.
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        Ok(Self { len: found.len(), modified })
    }
}

/// A stamp and a check of the contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Length and time.
    #[serde(flatten)]
    pub(crate) stamp: FileStamp,
    /// CRC-32 over samples: all of a file up to 1 MiB, else 16 times 64 KiB, the first and the last included.
    pub(crate) samples: u32,
}

impl Fingerprint {
    /// The current fingerprint of a file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let stamp = FileStamp::from_metadata(&file.metadata()?)?;
        Ok(Self { samples: samples(&mut file, stamp.len)?, stamp })
    }

    /// Whether a file is unchanged. Its contents are read only if length and time match.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        FileStamp::of(path).is_ok_and(|now| now == self.stamp) && Self::of(path).is_ok_and(|now| now == *self)
    }
}

fn samples(file: &mut File, len: u64) -> io::Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let mut buf = Vec::new();
    if len <= SAMPLE * SAMPLES {
        file.read_to_end(&mut buf)?;
        crc.update(&buf);
        return Ok(crc.finalize());
    }
    let last = len - SAMPLE;
    for sample in 0..SAMPLES {
        // OK: divided first where it could be too large; `last` itself is the last one.
        let at = if sample + 1 == SAMPLES { last } else { last / (SAMPLES - 1) * sample };
        file.seek(SeekFrom::Start(at))?;
        buf.clear();
        file.take(SAMPLE).read_to_end(&mut buf)?;
        crc.update(&buf);
    }
    Ok(crc.finalize())
}

/// A path that does not depend on the working directory or on links above it. The last name may be a link itself.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match (whole.parent().map(Path::canonicalize), whole.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_text_comes_back_as_it_was() {
        for bytes in [&b"a/\xc3\xbc.raw"[..], b"b\xff\xfe.raw", b""] {
            let path = JournalPath(imgprep::path_from_bytes(bytes.to_vec()));
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<JournalPath>(&json).unwrap(), path, "{json}");
        }
    }

    #[test]
    fn another_length_time_or_content_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for len in [0_usize, 5, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let mut bytes = vec![7; len];
            std::fs::write(&path, &bytes).unwrap();
            let fingerprint = Fingerprint::of(&path).unwrap();
            assert!(fingerprint.holds(&path));
            let time = std::fs::metadata(&path).unwrap().modified().unwrap();
            let rewrite = |bytes: &[u8], time| {
                std::fs::write(&path, bytes).unwrap();
                File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            };
            for changed in [0, len.saturating_sub(1)] {
                if let Some(byte) = bytes.get_mut(changed) {
                    *byte ^= 1;
                    rewrite(&bytes, time);
                    assert!(!fingerprint.holds(&path), "{len}, byte {changed}");
                    bytes[changed] ^= 1;
                }
            }
            rewrite(&bytes, time);
            assert!(fingerprint.holds(&path));
            rewrite(&bytes, time + std::time::Duration::from_micros(1));
            assert!(!fingerprint.holds(&path));
            bytes.push(0);
            rewrite(&bytes, time);
            assert!(!fingerprint.holds(&path));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(!Fingerprint { stamp: FileStamp { len: 0, modified: 0 }, samples: 0 }.holds(&path));
    }
}

//! The digests that are computed.

/// An algorithm whose digest identifies the contents of a disk or a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// BLAKE3, computed by all threads.
    #[default]
    Blake3,
    /// SHA-256, computed by one thread while the others read and decompress.
    Sha256,
}

impl DigestAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::Blake3, Self::Sha256];

    /// Its name, as in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }

    /// The algorithm with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A digest of a sequence of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it was computed.
    pub algorithm: DigestAlgorithm,
    /// Its value.
    pub bytes: [u8; 32],
}

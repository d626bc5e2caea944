//! What an image of the tests consists of, and what is expected of it.

/// One file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its name, without a folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An image and the disk that reading it yields.
#[derive(Clone, Debug)]
pub struct GoodImage {
    /// Unique.
    pub name: String,
    /// What it exercises.
    pub about: &'static str,
    /// The format's name.
    pub format: &'static str,
    /// Its files; the first one is opened.
    pub files: Vec<ImageFile>,
    /// The disk, byte for byte, at its original size.
    pub disk: Vec<u8>,
    /// The snapshot to open instead of the current disk.
    pub snapshot: Option<&'static str>,
}

/// When a broken image must be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// When it is opened.
    AtOpen,
    /// At the latest when its data is read; it may be described.
    AtRead,
}

/// An image that must not be converted.
#[derive(Clone, Debug)]
pub struct BrokenImage {
    /// Unique, names the defect.
    pub name: &'static str,
    /// The same in words.
    pub about: &'static str,
    /// Its files; the first one is opened.
    pub files: Vec<ImageFile>,
    /// When it is rejected.
    pub refused: Refused,
    /// The code of the refusal.
    pub code: &'static str,
    /// File offset that the error must name.
    pub at: Option<u64>,
}

/// An image that converts and of which a check reports a finding.
#[derive(Clone, Debug)]
pub struct AnomalousImage {
    /// Unique, names the defect.
    pub name: &'static str,
    /// The same in words.
    pub about: &'static str,
    /// Its files; the first one is opened.
    pub files: Vec<ImageFile>,
    /// The code of the finding.
    pub code: &'static str,
    /// File offset that the finding must name.
    pub at: Option<u64>,
}

/// Where the code is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provoked {
    /// Opening, which continues.
    Opened,
    /// Opening, which fails.
    Refused,
    /// The walk over the tables.
    Walked,
    /// The structure check.
    Checked,
}

/// Format, code, its file offset, where it is reported, and the file.
pub type Provoking = (&'static str, &'static str, u64, Provoked, Vec<u8>);

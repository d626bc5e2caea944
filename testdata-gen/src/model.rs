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
    /// Unique, in words.
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

/// An image of one file, called `NAME.FORMAT`.
pub(crate) fn image(
    name: &str,
    about: &'static str,
    format: &'static str,
    bytes: Vec<u8>,
    disk: Vec<u8>,
) -> GoodImage {
    let files = vec![ImageFile { name: format!("{name}.{format}"), bytes }];
    GoodImage { name: name.into(), about, format, files, disk, snapshot: None }
}

/// When a broken image must be refused.
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
    /// Unique, says what is wrong.
    pub name: &'static str,
    /// The same in words.
    pub about: &'static str,
    /// Its files; the first one is opened.
    pub files: Vec<ImageFile>,
    /// When it is refused.
    pub refused: Refused,
    /// The code of the refusal.
    pub code: &'static str,
    /// File offset that the error must name.
    pub at: Option<u64>,
}

/// Name, about, when refused, code, offset, the file.
pub(crate) type Row = (&'static str, &'static str, Refused, &'static str, Option<u64>, Vec<u8>);

pub(crate) fn named(format: &str, (name, about, refused, code, at, bytes): Row) -> BrokenImage {
    let files = vec![ImageFile { name: format!("{name}.{format}"), bytes }];
    BrokenImage { name, about, files, refused, code, at }
}

/// An image that converts and that a check must have a word about.
#[derive(Clone, Debug)]
pub struct AnomalousImage {
    /// Unique, says what is wrong.
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

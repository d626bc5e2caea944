//! Kinds of sparse extent files, by their first bytes.

use imgprep_format_kit::padded_head;
use imgprep_map::{Error, ReadAt};

use crate::layout::{COWD_MAGIC, HOSTED_MAGIC, SE_MAGIC};

/// Kind of a sparse extent file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Hosted,
    Cowd,
    Se,
}

/// The kind of a file with these first bytes.
pub(crate) fn magic(head: &[u8]) -> Option<Magic> {
    let magics = [(&HOSTED_MAGIC[..], Magic::Hosted), (&COWD_MAGIC, Magic::Cowd), (&SE_MAGIC, Magic::Se)];
    magics.into_iter().find(|(bytes, _)| head.starts_with(bytes)).map(|(_, magic)| magic)
}

/// The first bytes of a file, padded with zeros if it is shorter.
pub(crate) fn head(file: &dyn ReadAt) -> Result<[u8; 8], Error> {
    padded_head(file)
}

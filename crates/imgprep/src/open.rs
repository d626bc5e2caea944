//! Opens disks: from paths and from readers.

use std::path::Path;

use imgprep_io::NamedReader;
use imgprep_map::{Error, ReadAt};
use imgprep_open::{FollowPolicy, OpenOptions, ProbedFile};

use crate::Disk;

/// Opens an image and the files that it names in its own folder (backing files, extents, data files).
pub fn open(path: impl AsRef<Path>) -> Result<Disk, Error> {
    Disk::open(path.as_ref(), &OpenOptions::default())
}

/// Opens an image with options: format, follow policy, limits, parents.
pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Disk, Error> {
    Disk::open(path.as_ref(), options)
}

/// Opens a file and finds the formats that its bytes match, whether or not it can be opened as a disk.
pub fn probe(path: impl AsRef<Path>, options: &OpenOptions) -> Result<ProbedFile, Error> {
    let name = path.as_ref().display().to_string();
    let file = imgprep_open::open_given(path.as_ref(), options)?;
    ProbedFile::probe(name.clone(), file).map_err(|error| error.in_path(name))
}

/// Opens an image from a reader: bytes in memory, or a source made by the caller.
///
/// Other files that the image names are not opened; [`Disk::unopened`] lists them, and the disk cannot be read then.
pub fn open_reader(reader: impl ReadAt + 'static) -> Result<Disk, Error> {
    open_reader_with(reader, &OpenOptions { follow: FollowPolicy::None, ..OpenOptions::default() })
}

/// Opens an image from a reader with options. Names in the image are resolved as those of an image in the current folder.
pub fn open_reader_with(reader: impl ReadAt + 'static, options: &OpenOptions) -> Result<Disk, Error> {
    let name = "reader";
    Ok(Disk::from_chain(imgprep_open::open_source(name.into(), NamedReader::new(name, reader), options)?))
}

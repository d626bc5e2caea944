//! Opens single files.

use std::path::Path;
use std::sync::Arc;

use imgprep_catalog::{Format, Hints};
use imgprep_io::{ImageFile, OpenError, SourceFile};
use imgprep_map::Error;

use crate::options::OpenOptions;

/// Opens a file that the follow policy allows, whose path has no links: a link that took its place since is not followed.
pub(crate) fn open_file(path: &Path, options: &OpenOptions) -> Result<Arc<dyn ImageFile>, Error> {
    open_quietly(path, options).map_err(|error| Error::new(error).in_path(path.display().to_string()))
}

/// The same, with the plain error.
pub(crate) fn open_quietly(path: &Path, options: &OpenOptions) -> Result<Arc<dyn ImageFile>, OpenError> {
    match &options.namespace {
        Some(namespace) => namespace.open(path),
        None => Ok(SourceFile::open_without_links(path, options.source)?.into()),
    }
}

/// Opens a file that the user names. Links are followed.
pub fn open_given(path: &Path, options: &OpenOptions) -> Result<Arc<dyn ImageFile>, Error> {
    let opened = match &options.namespace {
        Some(namespace) => namespace.open(path),
        None => SourceFile::open(path, options.source).map(Into::into),
    };
    opened.map_err(|error| Error::new(error).in_path(path.display().to_string()))
}

/// What is known of a file beside its bytes: a device's name says nothing.
pub fn hints<'a>(file: &'a dyn ImageFile, format: Option<&'static Format>) -> Hints<'a> {
    Hints { name: (!file.is_device()).then(|| file.path()), format }
}

/// The same result, or the read error that caused it: a page that could not be read shows as zeros, which may be wrong in
/// any way.
pub(crate) fn or_unread<T>(file: &dyn ImageFile, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| file.verify_mapping().map_or_else(Error::from, |()| error))
}

//! What a conversion writes to: a local file, a device, a pipe, memory, or an output of the caller.

use std::path::Path;
use std::sync::Arc;

use imgprep_io::ImageFile;
use imgprep_map::{Error, Sink};

/// An output of a conversion.
///
/// An implementation needs [`sink`](Self::sink) and [`label`](Self::label); with [`reopen`](Self::reopen) it can be
/// verified, and with [`publish`](Self::publish) it can appear complete or not at all.
pub trait Output {
    /// Where the bytes are written.
    fn sink(&self) -> &dyn Sink;

    /// The name of the output in messages.
    fn label(&self) -> String;

    /// Opens the written output for reading; `None` if it cannot be read back.
    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        Ok(None)
    }

    /// Opens the files that the output itself names, with their final paths: the other files of an image that consists of several.
    fn reopen_named(&self) -> Result<Vec<Arc<dyn ImageFile>>, Error> {
        Ok(Vec::new())
    }

    /// Whether the addresses of an image that consists of several files can be written
    /// ([`ImageWriter::files`](imgprep_map::ImageWriter::files)).
    fn takes_files(&self) -> bool {
        false
    }

    /// Makes the complete output visible. It is called once, after the last write and a successful verification; an
    /// output that is dropped without it is discarded.
    fn publish(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }

    /// The path at which another program can read the output before it is published, and its final path.
    fn readable_paths(&self) -> Option<(&Path, &Path)> {
        None
    }

    /// Whether publishing creates a file of a new name instead of replacing one.
    fn is_new(&self) -> bool {
        false
    }

    /// Whether the output ends with the last byte written. A device does not.
    fn has_exact_len(&self) -> bool {
        true
    }
}

//! Reader of a sparse extent file, by its kind.

use imgprep_map::{Error, ParseOptions, ReadAt};

use crate::magic::Magic;
use crate::sparse::Sparse;
use crate::{cowd, hosted, sesparse};

impl Sparse {
    pub(crate) fn read(file: &dyn ReadAt, magic: Magic, options: &ParseOptions) -> Result<Self, Error> {
        match magic {
            Magic::Hosted => hosted::read(file, options),
            Magic::Cowd => cowd::read(file, options),
            Magic::Se => sesparse::read(file, options),
        }
    }
}

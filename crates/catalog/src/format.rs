//! One readable format in the catalog.

use imgprep_map::{Error, Evidence, ParseOptions, Parsed, Probe, ReadAt};

pub(crate) type ProbeFn = fn(&Probe<'_>) -> Option<Evidence>;
pub(crate) type ParseFn = fn(&dyn ReadAt, &ParseOptions) -> Result<Parsed, Error>;

/// One readable format.
pub struct Format {
    /// Its name, as in `--from`.
    pub name: &'static str,
    /// Other names that images and people use for it.
    pub aliases: &'static [&'static str],
    pub(crate) has_snapshots: bool,
    pub(crate) probe: ProbeFn,
    pub(crate) parse: ParseFn,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

//! The codes of the command line itself.

use imgprep::Code;

/// Standard output could not be written.
pub(crate) const PRINT: &Code = &Code::io("io.print", "the output of the program could not be written");
/// Arguments that contradict themselves or each other.
pub(crate) const USAGE: &Code = &Code::request("usage", "the command line is not valid");

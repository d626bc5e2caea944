//! The command line program imgprep.

fn main() {}

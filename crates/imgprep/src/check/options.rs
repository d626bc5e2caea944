//! The scope and depth of a check.

use imgprep_engine::BitmapShape;
use imgprep_open::OpenOptions;
use imgprep_policy::{CheckIntent, Profile};

/// The depth of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Headers and tables.
    #[default]
    Tables,
    /// Every compressed payload is decompressed, too.
    Payloads,
}

/// What is checked.
#[derive(Clone)]
pub struct CheckOptions {
    /// How the file is opened. With [`FollowPolicy::None`](crate::FollowPolicy::None) no other file is.
    pub open: OpenOptions,
    /// The rules of an import.
    pub profile: Option<Profile>,
    /// The intended use of the image; its levels apply to all rules.
    pub intent: CheckIntent,
    /// The depth of the check.
    pub depth: Depth,
    /// The layout of the bitmap next to a RAW, if it is compared with the disk.
    pub bitmap: Option<BitmapShape>,
}

//! Sizes as users write and read them.

use std::str::FromStr;

use imgprep::SizeChoice;

/// A number of bytes, or the name of one of the two sizes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Bytes(u64),
    Named(SizeChoice),
}

impl Size {
    pub(crate) fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Named(_) => None,
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "original" => Ok(Self::Named(SizeChoice::Original)),
            "current" => Ok(Self::Named(SizeChoice::Current)),
            _ => imgprep::parse_size(text).map(Self::Bytes).map_err(|error| error.to_string()),
        }
    }
}

/// `40 GiB`, `1.5 MiB`, `512 B`.
pub(crate) fn short(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut whole, mut unit) = (bytes, 0);
    let mut rest = 0;
    while whole >= 1024 {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match rest * 10 / 1024 {
        0 => format!("{whole} {}", UNITS[unit]),
        tenths => format!("{whole}.{tenths} {}", UNITS[unit]),
    }
}

/// `40 GiB (42949672960 bytes)`.
pub(crate) fn full(bytes: u64) -> String {
    if bytes < 1024 { format!("{bytes} bytes") } else { format!("{} ({bytes} bytes)", short(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("4096", 4096), ("64K", 65536), ("2MiB", 2 << 20), ("1GB", 1 << 30), ("3t", 3 << 40)]
        {
            assert_eq!(text.parse(), Ok(Size::Bytes(bytes)), "{text}");
        }
        for text in ["", "K", "1.5G", "1X", "-1", "99999999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written() {
        assert_eq!(full(0), "0 bytes");
        assert_eq!(full(1536), "1.5 KiB (1536 bytes)");
        assert_eq!(full(40 << 30), "40 GiB (42949672960 bytes)");
        assert_eq!(short(u64::MAX), "15.9 EiB");
    }
}

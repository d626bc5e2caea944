//! Sizes of blocks, clusters and grains in the variant of an image.

use alloc::format;
use alloc::string::String;

/// A size in the largest unit that divides it: `2 MiB`, `64 KiB`, `1536 bytes`.
pub fn size_text(size: u64) -> String {
    match size {
        size if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_that_divides_a_size_is_used() {
        assert_eq!(size_text(512), "512 bytes");
        assert_eq!(size_text(1536), "1536 bytes");
        assert_eq!(size_text(64 << 10), "64 KiB");
        assert_eq!(size_text(1536 << 10), "1536 KiB");
        assert_eq!(size_text(1 << 30), "1024 MiB");
    }
}

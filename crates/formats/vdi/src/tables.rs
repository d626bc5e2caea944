//! Entries of the block map.

/// A decoded map entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Never written: read from the parent, or as zeros if there is no parent.
    Unwritten,
    /// Zeros, even if the parent has data.
    Zero,
    /// Stored in the file under this block number.
    Stored(u32),
}

/// Decodes a map entry. All 2^32 values are valid, but the block may not exist.
pub(crate) fn block(entry: u32) -> Block {
    match entry {
        0xffff_ffff => Block::Unwritten,
        0xffff_fffe => Block::Zero,
        number => Block::Stored(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_by_their_value() {
        assert_eq!(block(u32::MAX), Block::Unwritten);
        assert_eq!(block(u32::MAX - 1), Block::Zero);
        for number in [0, 1, u32::MAX - 2] {
            assert_eq!(block(number), Block::Stored(number));
        }
    }
}

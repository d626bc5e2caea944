//! Entries of the map of blocks.

/// What an entry says of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Never written: the parent's, or zeros without a parent.
    Unwritten,
    /// Zeros, whatever the parent has.
    Zero,
    /// The block of this number in the file.
    Stored(u32),
}

/// All 2^32 entries have a meaning; whether such a block exists is another question.
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

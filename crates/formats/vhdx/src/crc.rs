//! CRC-32C (Castagnoli), RFC 3720, appendix B.4.
//!
//! The checksum is reflected; its start value and its result are inverted.

const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        // OK: below 256.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "const code has no other conversion from usize to u32"
        )]
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        // OK: below 256.
        table[index] = crc;
        index += 1;
    }
    table
}

/// An unfinished checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    pub(crate) fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            // OK: a byte is below 256.
            self.0 = (self.0 >> 8) ^ TABLE[usize::from(low ^ byte)];
        }
    }

    pub(crate) fn finish(self) -> u32 {
        !self.0
    }
}

/// Updates `crc` with a structure that contains its own checksum in bytes 4 to 8.
///
/// These bytes are replaced by zeros.
pub(crate) fn update_sealed(crc: &mut Crc32c, bytes: &[u8]) {
    let (head, rest) = bytes.split_at(bytes.len().min(4));
    crc.update(head);
    let (own, rest) = rest.split_at(rest.len().min(4));
    // OK: at most 4.
    crc.update(&[0; 4][..own.len()]);
    crc.update(rest);
}

/// Checksum of a structure that contains it in bytes 4 to 8.
pub(crate) fn sealed(bytes: &[u8]) -> u32 {
    let mut crc = Crc32c::new();
    update_sealed(&mut crc, bytes);
    crc.finish()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.update(bytes);
        crc.finish()
    }

    #[test]
    fn the_vectors_of_rfc_3720() {
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc(&rising), 0x46dd_794e);
        let falling: Vec<u8> = (0..32).rev().collect();
        assert_eq!(crc(&falling), 0x113f_db5c);
        let mut read_10 = [0; 48];
        read_10[..2].copy_from_slice(&[0x01, 0xc0]);
        for (at, value) in [(16, 0x14), (22, 0x04), (27, 0x14), (31, 0x18), (32, 0x28), (40, 0x02)] {
            read_10[at] = value;
        }
        assert_eq!(crc(&read_10), 0xd996_3a56);
        assert_eq!(crc(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_structure_counts_its_own_checksum_as_zeros() {
        assert_eq!(sealed(&[1, 2, 3, 4, 9, 9, 9, 9, 5]), crc(&[1, 2, 3, 4, 0, 0, 0, 0, 5]));
    }
}

//! Contents of guest disks.

/// A deterministic source of bytes (splitmix64).
pub struct Noise(u64);

impl Noise {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Bytes that do not shrink.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }

    /// Bytes that shrink to about a half: every other kibibyte is text.
    pub fn half_compressible(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 2048);
        while bytes.len() < len {
            bytes.extend(self.bytes(1024));
            bytes.extend(text(1024));
        }
        bytes.truncate(len);
        bytes
    }
}

/// Bytes that shrink well.
pub(crate) fn text(len: usize) -> Vec<u8> {
    b"a disk is a long row of bytes, most of them zeros. ".iter().copied().cycle().take(len).collect()
}

/// A disk of `size` bytes with these pieces on it.
pub fn disk_of(size: usize, pieces: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut disk = vec![0; size];
    for (at, bytes) in pieces {
        let end = (at + bytes.len()).min(size);
        disk[*at..end].copy_from_slice(&bytes[..end - at]);
    }
    disk
}

/// Text, holes, noise across clusters, a lone byte, a last part that is no whole sector.
pub(crate) fn mixed(size: usize) -> Vec<u8> {
    let mut noise = Noise::new(size as u64);
    disk_of(
        size,
        &[
            (0, text(size / 5)),
            (size / 3, noise.bytes(size / 7)),
            (size / 2 + size / 4, vec![b'Z']),
            (size.saturating_sub(700), noise.bytes(700)),
        ],
    )
}

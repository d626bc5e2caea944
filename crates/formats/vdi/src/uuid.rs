//! Uuids as `VirtualBox` stores and prints them.

use alloc::format;
use alloc::string::String;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_map::hex;

/// 16 bytes, the first three fields little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uuid([u8; 16]);

impl Uuid {
    pub(crate) const NULL: Self = Self([0; 16]);

    /// `bytes` has at least 16.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[..16]);
        Self(uuid)
    }

    /// Nothing, if it is the null uuid.
    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::NULL).then_some(self)
    }

    /// In the form that `VBoxManage` prints.
    pub(crate) fn text(self) -> String {
        let (low, middle, high) = (
            LittleEndian::read_u32(&self.0),
            LittleEndian::read_u16(&self.0[4..]),
            LittleEndian::read_u16(&self.0[6..]),
        );
        format!("{low:08x}-{middle:04x}-{high:04x}-{}-{}", hex(&self.0[8..10]), hex(&self.0[10..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_fields_are_little_endian() {
        let bytes: [u8; 16] = core::array::from_fn(|index| u8::try_from(index).unwrap());
        let uuid = Uuid::decode(&bytes);
        assert_eq!(uuid.text(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(uuid.known(), Some(uuid));
        assert_eq!(Uuid::NULL.known(), None);
    }
}

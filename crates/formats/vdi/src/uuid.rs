//! UUIDs as `VirtualBox` stores and prints them.

use alloc::format;
use alloc::string::String;

use imgprep_format_kit::Fields;
use imgprep_map::hex;

/// A UUID of 16 bytes, with the first three fields in little-endian order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uuid(pub(crate) [u8; 16]);

impl Uuid {
    pub(crate) const NULL: Self = Self([0; 16]);

    /// The UUID whose text has these bytes in order.
    pub(crate) fn from_text_order(mut bytes: [u8; 16]) -> Self {
        // OK: constants inside 16 bytes.
        bytes[..4].reverse();
        bytes[4..6].reverse(); // OK: as above.
        bytes[6..8].reverse(); // OK: as above.
        Self(bytes)
    }

    /// `None` for the null UUID.
    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::NULL).then_some(self)
    }

    /// The text form that `VBoxManage` prints.
    pub(crate) fn text(self) -> String {
        let fields = Fields::le(&self.0);
        let (low, middle, high) = (fields.u32::<0>(), fields.u16::<4>(), fields.u16::<6>());
        let (clock, node) = (hex(&fields.array::<8, 2>()), hex(&fields.array::<10, 6>()));
        format!("{low:08x}-{middle:04x}-{high:04x}-{clock}-{node}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_fields_are_little_endian() {
        let bytes: [u8; 16] = core::array::from_fn(|index| u8::try_from(index).unwrap());
        let uuid = Uuid(bytes);
        assert_eq!(uuid.text(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        let in_order = Uuid::from_text_order(bytes);
        assert_eq!(in_order.text(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(uuid.known(), Some(uuid));
        assert_eq!(Uuid::NULL.known(), None);
    }
}

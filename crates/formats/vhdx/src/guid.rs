//! GUIDs: the first three groups are little-endian in the file, big-endian in text.

use core::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Guid(pub(crate) [u8; 16]);

/// Position in the file of each byte of the text.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    pub(crate) const ZERO: Self = Self([0; 16]);

    /// A GUID from the digits of its text form.
    pub(crate) const fn from_text(digits: u128) -> Self {
        let text = digits.to_be_bytes();
        let mut bytes = [0; 16];
        let mut index = 0;
        while index < 16 {
            // OK: all of them are below 16.
            bytes[ORDER[index]] = text[index];
            index += 1;
        }
        Self(bytes)
    }

    /// A GUID from a UUID, whose bytes are in the order of its text.
    pub(crate) fn from_uuid(uuid: [u8; 16]) -> Self {
        Self::from_text(u128::from_be_bytes(uuid))
    }

    /// Parses text with or without braces and dashes, in upper or lower case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let mut digits: u128 = 0;
        let mut count = 0;
        for digit in text.chars().filter(|c| *c != '-') {
            digits = digits.checked_shl(4)? | u128::from(digit.to_digit(16)?);
            count += 1;
        }
        (count == 32).then(|| Self::from_text(digits))
    }
}

/// Lower case, without braces.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, from) in ORDER.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            // OK: below 16.
            write!(f, "{:02x}", self.0[from])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn text_and_file_differ_in_three_groups() {
        let guid = Guid::from_text(0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08);
        assert_eq!(guid.0[..8], [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42]);
        assert_eq!(guid.to_string(), "2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert_eq!(Guid::parse("{2DC27766-F623-4200-9D64-115E9BFD4A08}"), Some(guid));
        assert_eq!(Guid::parse("2dc27766f62342009d64115e9bfd4a08"), Some(guid));
        for text in ["", "{}", "2dc27766", "2dc27766-f623-4200-9d64-115e9bfd4a0g"] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
        assert_eq!(Guid::parse(&"f".repeat(33)), None);
    }
}

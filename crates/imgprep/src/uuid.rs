//! Parses the uuid of an output.

/// 32 hexadecimal digits, with or without dashes; `None` for anything else.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
    number.map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_32_digits() {
        let uuid = parse_uuid("00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!((uuid[0], uuid[15]), (0, 0xff));
        for text in ["", "00112233", "+0112233445566778899aabbccddeeff", "0011223344556677889xaabbccddeeff"] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
    }
}

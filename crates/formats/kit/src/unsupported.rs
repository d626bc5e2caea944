//! Valid images that several formats do not read.

use alloc::string::String;

use imgprep_map::{Class, Code, Detail, Encryption};

/// An image whose payload is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image is encrypted ({method}): encrypted data cannot be read")]
pub struct Encrypted {
    code: &'static Code,
    at: u64,
    method: String,
}

impl Encrypted {
    /// Creates an error with the code `<format>.header.encrypted`.
    ///
    /// `at` is the file offset of the field that declares the method.
    pub fn new(code: &'static Code, at: u64, method: Encryption) -> Self {
        let method = match method {
            Encryption::Aes => "AES".into(),
            Encryption::Luks => "LUKS".into(),
            Encryption::Other(number) => alloc::format!("method {number}"),
        };
        Self { code, at, method }
    }
}

impl Detail for Encrypted {
    fn code(&self) -> &'static Code {
        self.code
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        Some(self.at)
    }
}

/// A name or another text that is longer than the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {found} bytes exceeds the limit of {limit}")]
pub struct TextTooLong {
    /// `<format>.limit.text`.
    pub code: &'static Code,
    /// Offset of its length.
    pub at: u64,
    /// Which text.
    pub what: &'static str,
    /// Its length.
    pub found: u64,
    /// The limit.
    pub limit: u64,
}

impl Detail for TextTooLong {
    fn code(&self) -> &'static Code {
        self.code
    }

    fn class(&self) -> Class {
        Class::Limit
    }

    fn at(&self) -> Option<u64> {
        Some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    const ENCRYPTED: &Code = &Code::unsupported("a.header.encrypted", "format/unsupported", "");
    const LIMIT: &Code = &Code::limit("a.limit.text", "safety/limit", "");

    #[test]
    fn an_encrypted_image_is_unsupported_and_names_its_method() {
        for (method, name) in
            [(Encryption::Aes, "AES"), (Encryption::Luks, "LUKS"), (Encryption::Other(7), "method 7")]
        {
            let error = Encrypted::new(ENCRYPTED, 32, method);
            let want = alloc::format!("the image is encrypted ({name}): encrypted data cannot be read");
            assert_eq!(error.to_string(), want);
            assert_eq!((error.code(), error.class(), error.at()), (ENCRYPTED, Class::Unsupported, Some(32)));
        }
    }

    #[test]
    fn a_long_text_exceeds_a_limit_at_the_field_of_its_length() {
        let (code, what) = (LIMIT, "the backing file name");
        let error = TextTooLong { code, at: 16, what, found: 1024, limit: 1023 };
        assert_eq!(error.to_string(), "the backing file name of 1024 bytes exceeds the limit of 1023");
        assert_eq!((error.code(), error.class(), error.at()), (code, Class::Limit, Some(16)));
    }
}

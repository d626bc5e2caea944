//! Sizes in options.

/// The error of an invalid size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It is not a whole number with an optional unit.
    #[error("expected a whole number, optionally followed by K, M, G or T")]
    Syntax,
    /// It does not fit into 64 bits.
    #[error("more than 16 EiB")]
    TooLarge,
}

/// Parses a number of bytes: `4096`, `4096B`, `64K`, `64k`, `64KiB`, `2M`. Units are powers of 1024.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_end_matches("iB").trim_end_matches(['b', 'B']);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(SizeError::Syntax),
    };
    let number: u64 = number.parse().map_err(|_| SizeError::Syntax)?;
    number.checked_mul(1 << shift).ok_or(SizeError::TooLarge)
}

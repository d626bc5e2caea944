//! Sizes in profiles and messages.

use serde::de::{Deserializer, Error, Visitor};

/// A number of bytes: in TOML an integer, or a string such as `"128 GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

const UNITS: [(&str, u32); 5] = [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of bytes, or a size like \"128 GiB\"")
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Bytes, E> {
                u64::try_from(value).map(Bytes).map_err(|_| E::custom("a size cannot be negative"))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Bytes, E> {
                Ok(Bytes(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                parse(text).map(Bytes).ok_or_else(|| {
                    E::custom(format!(
                        "invalid size {text:?}: expected a whole number, then B, KiB, MiB, GiB or TiB"
                    ))
                })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn parse(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `128 GiB (137438953472 bytes)`.
pub(crate) fn words(bytes: u64) -> String {
    let (mut whole, mut rest, mut unit) = (bytes, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match (unit, rest * 10 / 1024) {
        (0, _) => format!("{bytes} bytes"),
        (_, 0) => format!("{whole} {} ({bytes} bytes)", UNITS[unit].0),
        (_, tenths) => format!("{whole}.{tenths} {} ({bytes} bytes)", UNITS[unit].0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse("128 GiB"), Some(128 << 30));
        assert_eq!(parse("1 TiB"), Some(1 << 40));
        for text in ["128", "128GiB", "128 GB", "-1 GiB", "99999999 TiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(words(512), "512 bytes");
        assert_eq!(words((128 << 30) + 1), "128 GiB (137438953473 bytes)");
        assert_eq!(words(3 << 29), "1.5 GiB (1610612736 bytes)");
    }
}

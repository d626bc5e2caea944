//! Reads that pad a short file with zeros.

use alloc::borrow::Cow;

use imgprep_map::{Error, ReadAt, usize_of};

/// `len` bytes from `at` on, with zeros past the end of the file.
///
/// The caller limits `len`.
pub fn padded(file: &dyn ReadAt, at: u64, len: usize) -> Result<Cow<'_, [u8]>, Error> {
    let present = usize_of(file.len().saturating_sub(at)).min(len);
    let mut bytes = file.slice(at.min(file.len()), present)?;
    if present < len {
        bytes.to_mut().resize(len, 0);
    }
    Ok(bytes)
}

/// The first `N` bytes of the file, with zeros past its end.
pub fn padded_head<const N: usize>(file: &dyn ReadAt) -> Result<[u8; N], Error> {
    let mut head = [0; N];
    for (byte, found) in head.iter_mut().zip(&*padded(file, 0, N)?) {
        *byte = *found;
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn bytes_past_the_end_are_zeros() {
        let file: &dyn ReadAt = &vec![1, 2, 3];
        for (at, want) in [(0, [1, 2]), (2, [3, 0]), (3, [0, 0]), (u64::MAX, [0, 0])] {
            assert_eq!(&*padded(file, at, 2).unwrap(), want, "{at}");
        }
        assert_eq!(padded_head::<5>(file).unwrap(), [1, 2, 3, 0, 0]);
    }

    #[test]
    fn bytes_inside_the_file_are_not_copied() {
        let file: &dyn ReadAt = &vec![1, 2, 3];
        for (at, len, is_borrowed) in [(0, 3, true), (1, 2, true), (1, 3, false)] {
            let bytes = padded(file, at, len).unwrap();
            assert_eq!(matches!(bytes, Cow::Borrowed(_)), is_borrowed, "{len} bytes at {at}");
        }
    }
}

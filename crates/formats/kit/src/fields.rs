//! Fields of on-disk structures, with offsets that are checked at compile time.

use core::marker::PhantomData;

use byteorder::{BigEndian, ByteOrder, LittleEndian};

/// The fields of a structure of `N` bytes, whose integers have the byte order `E`.
///
/// An offset at which a field would extend past the structure does not compile:
///
/// ```compile_fail
/// imgprep_format_kit::Fields::be(&[0; 8]).u32::<5>();
/// ```
#[derive(Debug)]
pub struct Fields<'b, E, const N: usize> {
    bytes: &'b [u8; N],
    order: PhantomData<E>,
}

impl<E, const N: usize> Clone for Fields<'_, E, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, const N: usize> Copy for Fields<'_, E, N> {}

impl<'b, const N: usize> Fields<'b, BigEndian, N> {
    /// A structure with big-endian integers.
    pub fn be(bytes: &'b [u8; N]) -> Self {
        Self { bytes, order: PhantomData }
    }
}

impl<'b, const N: usize> Fields<'b, LittleEndian, N> {
    /// A structure with little-endian integers.
    pub fn le(bytes: &'b [u8; N]) -> Self {
        Self { bytes, order: PhantomData }
    }
}

impl<E: ByteOrder, const N: usize> Fields<'_, E, N> {
    /// `LEN` bytes from `AT` on.
    pub fn array<const AT: usize, const LEN: usize>(self) -> [u8; LEN] {
        const { assert!(AT <= N && LEN <= N - AT, "the field extends past the structure") };
        let mut field = [0; LEN];
        // OK: asserted at compile time.
        field.copy_from_slice(&self.bytes[AT..AT + LEN]);
        field
    }

    /// The byte at `AT`.
    pub fn u8<const AT: usize>(self) -> u8 {
        let [byte] = self.array::<AT, 1>();
        byte
    }

    /// The 16 bits at `AT`.
    pub fn u16<const AT: usize>(self) -> u16 {
        E::read_u16(&self.array::<AT, 2>())
    }

    /// The 32 bits at `AT`.
    pub fn u32<const AT: usize>(self) -> u32 {
        E::read_u32(&self.array::<AT, 4>())
    }

    /// The 64 bits at `AT`.
    pub fn u64<const AT: usize>(self) -> u64 {
        E::read_u64(&self.array::<AT, 8>())
    }
}

/// The fields of a structure of `N` bytes to write, with the byte order `E`.
#[derive(Debug)]
pub struct FieldsMut<'b, E, const N: usize> {
    bytes: &'b mut [u8; N],
    order: PhantomData<E>,
}

impl<'b, const N: usize> FieldsMut<'b, BigEndian, N> {
    /// A structure with big-endian integers.
    pub fn be(bytes: &'b mut [u8; N]) -> Self {
        Self { bytes, order: PhantomData }
    }
}

impl<'b, const N: usize> FieldsMut<'b, LittleEndian, N> {
    /// A structure with little-endian integers.
    pub fn le(bytes: &'b mut [u8; N]) -> Self {
        Self { bytes, order: PhantomData }
    }
}

impl<E: ByteOrder, const N: usize> FieldsMut<'_, E, N> {
    /// Writes `field` at `AT`.
    pub fn put<const AT: usize, const LEN: usize>(&mut self, field: &[u8; LEN]) {
        const { assert!(AT <= N && LEN <= N - AT, "the field extends past the structure") };
        // OK: asserted at compile time.
        self.bytes[AT..AT + LEN].copy_from_slice(field);
    }

    /// Writes the byte at `AT`.
    pub fn put_u8<const AT: usize>(&mut self, value: u8) {
        self.put::<AT, 1>(&[value]);
    }

    /// Writes the 16 bits at `AT`.
    pub fn put_u16<const AT: usize>(&mut self, value: u16) {
        let mut field = [0; 2];
        E::write_u16(&mut field, value);
        self.put::<AT, 2>(&field);
    }

    /// Writes the 32 bits at `AT`.
    pub fn put_u32<const AT: usize>(&mut self, value: u32) {
        let mut field = [0; 4];
        E::write_u32(&mut field, value);
        self.put::<AT, 4>(&field);
    }

    /// Writes the 64 bits at `AT`.
    pub fn put_u64<const AT: usize>(&mut self, value: u64) {
        let mut field = [0; 8];
        E::write_u64(&mut field, value);
        self.put::<AT, 8>(&field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

    #[test]
    fn integers_have_the_byte_order_of_the_structure() {
        let (be, le) = (Fields::be(&BYTES), Fields::le(&BYTES));
        assert_eq!((be.u16::<1>(), le.u16::<1>()), (0x0203, 0x0302));
        assert_eq!((be.u32::<5>(), le.u32::<5>()), (0x0607_0809, 0x0908_0706));
        assert_eq!((be.u64::<1>(), le.u64::<1>()), (0x0203_0405_0607_0809, 0x0908_0706_0504_0302));
    }

    #[test]
    fn a_field_may_end_where_the_structure_ends() {
        assert_eq!(Fields::be(&BYTES).u8::<8>(), 9);
        assert_eq!(Fields::be(&BYTES).array::<6, 3>(), [7, 8, 9]);
    }

    #[test]
    fn written_fields_are_read_back() {
        let mut bytes = [0; 16];
        let mut fields = FieldsMut::be(&mut bytes);
        fields.put::<0, 1>(b"A");
        fields.put_u8::<1>(2);
        fields.put_u16::<2>(3);
        fields.put_u32::<4>(4);
        fields.put_u64::<8>(5);
        let fields = Fields::be(&bytes);
        assert_eq!((fields.u8::<0>(), fields.u8::<1>(), fields.u16::<2>()), (b'A', 2, 3));
        assert_eq!((fields.u32::<4>(), fields.u64::<8>()), (4, 5));
    }

    #[test]
    fn integers_are_written_in_the_byte_order_of_the_structure() {
        let (mut big, mut little) = ([0; 14], [0; 14]);
        let mut fields = FieldsMut::be(&mut big);
        fields.put_u16::<0>(0x0102);
        fields.put_u32::<2>(0x0304_0506);
        fields.put_u64::<6>(0x0708_090a_0b0c_0d0e);
        let mut fields = FieldsMut::le(&mut little);
        fields.put_u16::<0>(0x0102);
        fields.put_u32::<2>(0x0304_0506);
        fields.put_u64::<6>(0x0708_090a_0b0c_0d0e);
        assert_eq!(big, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(little, [2, 1, 6, 5, 4, 3, 14, 13, 12, 11, 10, 9, 8, 7]);
    }
}

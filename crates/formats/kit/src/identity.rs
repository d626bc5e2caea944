//! UUIDs for written files, derived from one UUID.

use crate::Fields;

/// The `index`-th UUID derived from `uuid`.
///
/// Equal arguments give equal UUIDs, different arguments different ones. The result has the variant and
/// version bits of a random UUID (RFC 9562, 5.4).
///
/// Formats that store several UUIDs derive them from the caller's UUID, so that a conversion is reproducible.
pub fn derived_uuid(uuid: [u8; 16], index: u64) -> [u8; 16] {
    let fields = Fields::be(&uuid);
    let (high, low) = (fields.u64::<0>(), fields.u64::<8>());
    let first = mixed(high ^ mixed(low ^ mixed(index)));
    let second = mixed(low ^ mixed(first));
    let mut derived = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
    // OK: constants below 16.
    derived[6] = derived[6] & 0x0f | 0x40;
    derived[8] = derived[8] & 0x3f | 0x80; // OK: as above.
    derived
}

/// The finalizer of `SplitMix64`.
///
/// It is a bijection in which every bit depends on all others.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn derived_uuids_differ_and_are_reproducible() {
        let mut seen = BTreeSet::new();
        for byte in 0..16 {
            for index in 0..16 {
                let mut uuid = [0; 16];
                uuid[byte] = 1;
                let derived = derived_uuid(uuid, index);
                assert_eq!(derived, derived_uuid(uuid, index));
                assert_eq!((derived[6] >> 4, derived[8] >> 6), (4, 2));
                assert!(seen.insert(derived) && derived != uuid);
            }
        }
    }

    /// Images that were written before must be written with the same ids again.
    #[test]
    fn derived_uuids_stay_the_same_between_versions() {
        let uuid = core::array::from_fn(|index| u8::try_from(index * 17).unwrap());
        let hex = |uuid| alloc::format!("{:032x}", u128::from_be_bytes(uuid));
        assert_eq!(hex(derived_uuid(uuid, 1)), "79b50f03d5a345e4bc9093437dacb485");
        assert_eq!(hex(derived_uuid(uuid, 2)), "87fe93b77a8947dc860f050abbca0d4c");
    }
}

//! Selection of the disk size: the size field of the footer, or its geometry.
//!
//! A disk of Virtual PC has as many sectors as the geometry; the size field may be slightly
//! larger. All other creators, including Virtual Server, use the size field and round the
//! geometry down.

use crate::layout::{RawFooter, SECTOR, footer_at};

/// Sectors of the maximum geometry. Larger disks have the same geometry.
const MAX_GEOMETRY: u64 = 65535 * 16 * 255;

/// Creators that use the geometry: Virtual PC, QEMU before `force_size`.
const MEAN_GEOMETRY: [[u8; 4]; 2] = [*b"vpc ", *b"qemu"];

/// Both sizes in bytes, and the rule that selects one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) field: u64,
    pub(crate) geometry: u64,
    pub(crate) rule: Rule,
}

/// Reason for the selection of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The creator uses the geometry.
    Geometry,
    /// The creator uses the size field.
    Field,
    /// The creator uses the geometry, but it is the maximum: the size field is used.
    MaxGeometry,
    /// The creator uses the geometry, but it is empty: the size field is used.
    NoGeometry,
}

impl Size {
    pub(crate) fn of(raw: &RawFooter) -> Self {
        // OK: at most 2^16 * 2^8 * 2^8.
        let sectors = u64::from(raw.cylinders) * u64::from(raw.heads) * u64::from(raw.sectors_per_track);
        let rule = match sectors {
            _ if !MEAN_GEOMETRY.contains(&raw.creator) => Rule::Field,
            MAX_GEOMETRY => Rule::MaxGeometry,
            0 if raw.current_size > 0 => Rule::NoGeometry,
            _ => Rule::Geometry,
        };
        Self { field: raw.current_size, geometry: sectors * SECTOR, rule }
    }

    /// Size of the disk in bytes.
    pub(crate) fn taken(&self) -> u64 {
        if self.rule == Rule::Geometry { self.geometry } else { self.field }
    }

    /// Offset of the selected size in the footer.
    pub(crate) fn field_at(&self) -> u64 {
        if self.rule == Rule::Geometry { footer_at::GEOMETRY } else { footer_at::CURRENT_SIZE }
    }

    /// Name of the selected size.
    pub(crate) fn taken_name(&self) -> &'static str {
        if self.rule == Rule::Geometry { "geometry" } else { "current-size" }
    }

    /// Reason for the selection, as text.
    pub(crate) fn reason(&self) -> &'static str {
        match self.rule {
            Rule::Geometry => "this creator uses the geometry",
            Rule::Field => "this creator uses the size field",
            Rule::MaxGeometry => "the geometry is at its maximum",
            Rule::NoGeometry => "the geometry is empty",
        }
    }
}

/// Geometry of a disk of `size` bytes: cylinders, heads, sectors per track.
///
/// Source: appendix of the specification ("CHS Calculation").
pub(crate) fn chs(size: u64) -> (u16, u8, u8) {
    let total = (size / SECTOR).min(MAX_GEOMETRY);
    let (heads, sectors) = track(total);
    let cylinders = total / sectors / heads;
    // OK: `total` is limited so that there are at most 65535 cylinders, 16 heads and 255 sectors.
    let narrow = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    // OK: as above.
    (u16::try_from(cylinders).unwrap_or(u16::MAX), narrow(heads), narrow(sectors))
}

/// Heads and sectors per track of a disk of `total` sectors.
fn track(total: u64) -> (u64, u64) {
    if total >= 65535 * 16 * 63 {
        return (16, 255);
    }
    let heads = (total / 17).div_ceil(1024).max(4);
    if total / 17 < heads * 1024 && heads <= 16 {
        return (heads, 17);
    }
    if total / 31 < 16 * 1024 { (16, 31) } else { (16, 63) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(creator: [u8; 4], field: u64, geometry: (u16, u8, u8)) -> (u64, Rule) {
        let mut raw = RawFooter::decode(&[0; 512]);
        (raw.creator, raw.current_size) = (creator, field);
        (raw.cylinders, raw.heads, raw.sectors_per_track) = geometry;
        let size = Size::of(&raw);
        (size.taken(), size.rule)
    }

    #[test]
    fn geometries_by_the_rule() {
        for (sectors, want) in [
            (0, (0, 4, 17)),
            (4 * 17 * 1024 - 1, (1023, 4, 17)),
            // Full cylinders continue with the next kind of track.
            (4 * 17 * 1024, (140, 16, 31)),
            (16 * 17 * 1024 - 1, (1023, 16, 17)),
            (16 * 17 * 1024, (561, 16, 31)),
            (16 * 31 * 1024, (503, 16, 63)),
            (65535 * 16 * 63, (16191, 16, 255)),
            (u64::MAX / 512, (65535, 16, 255)),
        ] {
            assert_eq!(chs(sectors * 512), want, "{sectors}");
        }
    }

    #[test]
    fn old_creators_mean_the_geometry() {
        for creator in [b"vpc ", b"qemu"] {
            assert_eq!(size(*creator, 9000, (2, 3, 2)), (12 * 512, Rule::Geometry));
        }
    }

    #[test]
    fn other_creators_mean_the_current_size_field() {
        for creator in [b"vs  ", b"win ", b"d2v ", b"tap\0", b"qem2", b"CTXS", b"vbox", b"wa\0\0", b"????"] {
            assert_eq!(size(*creator, 9000, (2, 3, 2)), (9000, Rule::Field));
        }
    }

    #[test]
    fn maximal_and_empty_geometries_are_ignored() {
        assert_eq!(size(*b"vpc ", 1 << 41, (65535, 16, 255)), (1 << 41, Rule::MaxGeometry));
        assert_eq!(size(*b"vpc ", 512, (0, 4, 17)), (512, Rule::NoGeometry));
        assert_eq!(size(*b"vpc ", 0, (0, 0, 0)), (0, Rule::Geometry));
    }
}

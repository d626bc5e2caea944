//! The header page of a new image.

use imgprep_map::Error;

use crate::Unsupported;
use crate::header::SECONDS_TO_2000;
use crate::layout::{BLOCK, COOKIE_ZVHD, RawHeader};

/// Properties of a new image, without its blocks.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Size of the disk in bytes. The header contains it rounded up to 512 bytes.
    pub disk_size: u64,
    /// UUID of the image.
    pub uuid: [u8; 16],
    /// Creation time in seconds since 1970.
    pub unix_time: u64,
}

impl WriteOptions {
    /// The header of a ZVHD. Fails if the disk exceeds the largest size of the format.
    pub(crate) fn header(&self) -> Result<RawHeader, Error> {
        let too_large = Unsupported::DiskTooLarge { size: self.disk_size };
        let original = self.disk_size.checked_next_multiple_of(512).ok_or(too_large.clone())?;
        let current = original.checked_next_multiple_of(1 << 30).ok_or(too_large.clone())?;
        // The block numbers of records have 32 bits.
        u32::try_from(original.div_ceil(BLOCK)).map_err(|_| too_large)?;
        // The time stamp is 0 before 2000, and has its maximum from 2136 on.
        let since_2000 = self.unix_time.saturating_sub(SECONDS_TO_2000);
        Ok(RawHeader {
            cookie: *COOKIE_ZVHD,
            features: 2,
            version: 0x0001_0000,
            data_offset: u64::MAX,
            // OK: saturates in 2136.
            time_stamp: u32::try_from(since_2000).unwrap_or(u32::MAX),
            application: *b"tap\0",
            application_version: 0x0001_0004,
            original_size: original,
            current_size: current,
            geometry: geometry(original),
            disk_type: 4,
            uuid: self.uuid,
            ..RawHeader::default()
        })
    }
}

/// Cylinders, heads and sectors (VHD specification, appendix "CHS Calculation").
///
/// Bits 16 to 31: cylinders, 8 to 15: heads, 0 to 7: sectors per track. `size` is in bytes.
fn geometry(size: u64) -> u32 {
    let sectors = (size / 512).min(65535 * 16 * 255);
    let (heads, per_track) = if sectors >= 65535 * 16 * 63 {
        (16, 255)
    } else {
        let heads = (sectors / 17).div_ceil(1024).max(4);
        if heads <= 16 && sectors / 17 < heads * 1024 {
            (heads, 17)
        } else if sectors / 31 < 16 * 1024 {
            (16, 31)
        } else {
            (16, 63)
        }
    };
    let cylinders = sectors / per_track / heads;
    // OK: the bounds above limit the values to 65535, 16 and 255.
    u32::try_from(cylinders << 16 | heads << 8 | per_track).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_by_the_vhd_rule() {
        assert_eq!(geometry(512), (4 << 8) + 17);
        // 5000 tracks of 17 sectors need 5 heads; 8192 of them are too many for 8 heads, so that tracks have 31 sectors.
        assert_eq!(geometry(17 * 5000 * 512), (1000 << 16) + (5 << 8) + 17);
        assert_eq!(geometry(17 * 8192 * 512), (280 << 16) + (16 << 8) + 31);
        // 1 GiB and the maximum (127 GiB), as in VHD footers by other writers.
        assert_eq!(geometry(1 << 30), 2080 << 16 | 16 << 8 | 63);
        assert_eq!(geometry(u64::MAX), 65535 << 16 | 16 << 8 | 255);
    }
}

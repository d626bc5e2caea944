//! Disks by their partition tables (UEFI 2.10, chapter 5), as sparse files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::vhdx::encode::Vhdx;

const GIB: u64 = 1 << 30;
/// GUIDs as they are stored.
const ESP: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
const BIOS: [u8; 16] = *b"Hah!IdontNeedEFI";
const LINUX: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
/// Jump, some code.
const CODE: [u8; 8] = [0xeb, 0x63, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90];

/// A disk that is zeros but for some pieces.
#[derive(Clone, Debug)]
pub struct SparseDisk {
    /// Length, in bytes.
    pub size: u64,
    /// Offsets and their bytes.
    pub pieces: Vec<(u64, Vec<u8>)>,
}

impl SparseDisk {
    /// Writes the disk as a RAW with holes.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.size)?;
        self.pieces.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
    }

    /// The same with these bytes at `at`.
    #[must_use]
    pub fn with(mut self, at: u64, bytes: &[u8]) -> Self {
        self.pieces.push((at, bytes.to_vec()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut disk = vec![0; self.size as usize];
        for (at, bytes) in &self.pieces {
            disk[*at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        disk
    }
}

/// Flag, type, first sector, count.
type MbrEntry = (u8, u8, u32, u32);

fn mbr(code: &[u8], entries: &[MbrEntry]) -> Vec<u8> {
    let mut record = vec![0; 512];
    record[..code.len()].copy_from_slice(code);
    for (at, (flag, kind, first, count)) in (446..).step_by(16).zip(entries) {
        record[at] = *flag;
        record[at + 4] = *kind;
        record[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        record[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    record
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A GPT of `sectors` sectors; types, first and last sectors of its partitions.
struct Gpt<'a> {
    sector: u64,
    sectors: u64,
    partitions: &'a [([u8; 16], u64, u64)],
}

impl Gpt<'_> {
    fn array(&self) -> Vec<u8> {
        let mut array = vec![0; 128 * 128];
        for (entry, (kind, first, last)) in array.chunks_exact_mut(128).zip(self.partitions) {
            entry[..16].copy_from_slice(kind);
            entry[16..32].copy_from_slice(kind);
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
        }
        array
    }

    fn header(&self, own: u64, other: u64, entries: u64) -> Vec<u8> {
        let room = (128 * 128_u64).div_ceil(self.sector);
        let mut header = vec![0; self.sector as usize];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..12].copy_from_slice(&0x1_0000_u32.to_le_bytes());
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        let fields = [(24, own), (32, other), (40, 2 + room), (48, self.sectors - 2 - room), (72, entries)];
        for (at, value) in fields {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        header[56..72].copy_from_slice(&LINUX);
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&self.array()).to_le_bytes());
        let crc = crc32(&header[..92]);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// The table and its copy on a disk of `size` bytes, after this record. A copy after the disk's end is left out.
    fn on(&self, size: u64, record: Vec<u8>) -> SparseDisk {
        let room = (128 * 128_u64).div_ceil(self.sector);
        let last = self.sectors - 1;
        let mut pieces = vec![
            (0, record),
            (self.sector, self.header(1, last, 2)),
            (2 * self.sector, self.array()),
            ((last - room) * self.sector, self.array()),
            (last * self.sector, self.header(last, 1, last - room)),
        ];
        pieces.retain(|(at, _)| *at < size);
        SparseDisk { size, pieces }
    }
}

/// A disk of 1 GiB that had a GPT of 4 GiB before it got its MBR.
pub fn stale_gpt() -> SparseDisk {
    let gpt = Gpt { sector: 512, sectors: 4 * GIB / 512, partitions: &[(LINUX, 2048, 4 * GIB / 512 - 100)] };
    gpt.on(GIB, mbr(&CODE, &[(0x80, 0x83, 2048, 1_000_000), (0, 0x82, 1_002_048, 500_000)]))
}

/// A GPT of 1 GiB with an EFI partition, and a BIOS boot partition for the code in the first sector.
pub fn bios_and_uefi() -> SparseDisk {
    let partitions = &[(BIOS, 2048, 10_239), (ESP, 10_240, 227_327), (LINUX, 227_328, 2_000_000)];
    let gpt = Gpt { sector: 512, sectors: GIB / 512, partitions };
    gpt.on(GIB, mbr(&CODE, &[(0, 0xee, 1, 2_097_151)]))
}

/// The same without the BIOS boot partition: the code in the first sector leads nowhere.
pub fn uefi_with_code() -> SparseDisk {
    let partitions = &[(ESP, 10_240, 227_327), (LINUX, 227_328, 2_000_000)];
    Gpt { sector: 512, sectors: GIB / 512, partitions }.on(GIB, mbr(&CODE, &[(0, 0xee, 1, 2_097_151)]))
}

/// A GPT whose MBR has a partition of its own, for a BIOS.
pub fn hybrid_mbr() -> SparseDisk {
    let partitions = &[(ESP, 10_240, 227_327), (LINUX, 227_328, 2_000_000)];
    let record = mbr(&CODE, &[(0, 0xee, 1, 10_239), (0x80, 0x83, 227_328, 1_772_673)]);
    Gpt { sector: 512, sectors: GIB / 512, partitions }.on(GIB, record)
}

/// A GPT of 1 GiB without an MBR before it.
pub fn unprotected_gpt() -> SparseDisk {
    let partitions = &[(ESP, 10_240, 227_327)];
    Gpt { sector: 512, sectors: GIB / 512, partitions }.on(GIB, vec![0; 512])
}

/// A GPT of `size` bytes that counts in sectors of 4096.
pub fn gpt_of_large_sectors(size: u64) -> SparseDisk {
    let sectors = size / 4096;
    let partitions = &[(ESP, 256, 383), (LINUX, 384, sectors - 100)];
    Gpt { sector: 4096, sectors, partitions }.on(size, mbr(&[], &[(0, 0xee, 1, u32::MAX)]))
}

/// An MBR whose partition begins, in sectors of 4096, with an XFS.
pub fn mbr_of_large_sectors(size: u64) -> SparseDisk {
    let count = (size / 4096 - 256) as u32;
    let record = mbr(&CODE, &[(0x80, 0x83, 256, count)]);
    SparseDisk { size, pieces: vec![(0, record), (256 * 4096, b"XFSB\0\0\x10\0".to_vec())] }
}

/// A VHDX of 16 MiB that declares sectors of 4096 bytes, with a GPT that counts in them.
pub fn vhdx_of_large_sectors() -> Vec<u8> {
    vhdx_of_large_sectors_with(&gpt_of_large_sectors(16 << 20))
}

/// A VHDX that declares sectors of 4096 bytes, with this disk.
pub fn vhdx_of_large_sectors_with(disk: &SparseDisk) -> Vec<u8> {
    Vhdx { sector: 4096, ..Vhdx::new(1 << 20, disk.size) }.with_disk(&disk.bytes()).write().file
}

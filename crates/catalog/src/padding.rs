//! A fixed VHD with zeros after its footer: its start looks like a RAW disk, and its end is not the end of the file.

use imgprep_map::{Error, Evidence, Probe, ReadAt};

use crate::foreign::{Foreign, Treatment};

/// Distance from the end of the file up to which a footer is searched, in bytes.
const REACH: u64 = 4 << 20;
const STEP: u64 = 64 << 10;
const SECTOR: usize = 512;
const FOOTER: &[u8] = b"conectix";

/// The footer, if the last sector of the file that is not all zeros contains one.
pub(crate) fn recognise(file: &dyn ReadAt, probe: &Probe<'_>) -> Result<Option<Foreign>, Error> {
    let sectors = file.len() / SECTOR as u64 * SECTOR as u64;
    if probe.tail.iter().any(|byte| *byte != 0) {
        return Ok(None);
    }
    let mut end = sectors;
    let last = sectors.saturating_sub(REACH);
    while end > last {
        let start = end.saturating_sub(STEP);
        // Holes are not read.
        if file.next_data(start) < end {
            // OK: at most one step.
            let bytes = file.slice(start, (end - start) as usize)?;
            if let Some(index) = bytes.chunks_exact(SECTOR).rposition(|sector| *sector != [0; SECTOR]) {
                let at = start + (index * SECTOR) as u64;
                return Ok(bytes[index * SECTOR..].starts_with(FOOTER).then(|| footer(at, file.len())));
            }
        }
        end = start;
    }
    Ok(None)
}

fn footer(at: u64, file_len: u64) -> Foreign {
    let len = at + SECTOR as u64;
    let description = format!("footer \"conectix\", followed by {} bytes of zeros", file_len - len);
    Foreign { name: "vhd", evidence: Evidence { at, len: 8, description }, treatment: Treatment::Cut(len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &[u8]) -> Option<(u64, u64)> {
        let tail = &file[file.len().saturating_sub(4096)..];
        let probe = Probe { head: &[], tail, file_len: file.len() as u64 };
        match recognise(&file.to_vec(), &probe).unwrap()? {
            Foreign { evidence, treatment: Treatment::Cut(len), .. } => Some((evidence.at, len)),
            _ => None,
        }
    }

    fn with(at: usize, bytes: &[u8], len: usize) -> Vec<u8> {
        let mut file = vec![0; len];
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    #[test]
    fn only_a_footer_before_zeros_is_found() {
        for padding in [4096, 70_144, 1 << 20, (4 << 20) - 512] {
            assert_eq!(found(&with(1024, FOOTER, 1536 + padding)), Some((1024, 1536)), "{padding}");
        }
        assert_eq!(found(&with(1024, FOOTER, 1536 + (4 << 20))), None, "out of reach");
        assert_eq!(found(&with(1025, FOOTER, 1 << 20)), None, "not at the start of a sector");
        assert_eq!(found(&with(1024, b"conectiX", 1 << 20)), None);
        assert_eq!(found(&vec![0; 1 << 20]), None);
        assert_eq!(found(&[]), None);
        let mut more = with(1024, FOOTER, 1 << 20);
        more[2048] = 1;
        assert_eq!(found(&more), None, "more than zeros");
    }
}

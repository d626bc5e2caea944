//! Log entries that are replayed or rejected, and the cost of both.

use super::*;

/// One log entry of zero descriptors and data descriptors, in that order.
fn log_entry(number: u64, zeros: &[(u64, u64)], writes: &[(u64, u8)]) -> Vec<u8> {
    let descriptors = zeros.len() + writes.len();
    let head = (64 + 32 * descriptors).next_multiple_of(4096);
    let mut bytes = b"loge\0\0\0\0".to_vec();
    bytes.extend(u32::try_from(head + 4096 * writes.len()).unwrap().to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(number.to_le_bytes());
    bytes.extend(u64::try_from(descriptors).unwrap().to_le_bytes());
    bytes.extend([7; 16]);
    bytes.extend((4 * MIB).to_le_bytes());
    bytes.extend((4 * MIB).to_le_bytes());
    for (at, len) in zeros {
        bytes.extend(b"zero\0\0\0\0");
        bytes.extend(len.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    for (at, fill) in writes {
        bytes.extend(b"desc");
        bytes.extend([*fill; 12]);
        bytes.extend(at.to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(head, 0);
    for (_, fill) in writes {
        bytes.extend(b"data\0\0\0\0");
        bytes.extend([*fill; 4084]);
        bytes.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    let crc = crc::sealed(&bytes);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn with_log(entries: &[(u64, Vec<u8>)]) -> Sparse {
    let mut file = sample(SMALL);
    for header in HEADERS {
        file.put(header + 48, &[7; 16]);
        file.seal(header, 4096);
    }
    for (at, bytes) in entries {
        file.put(LOG + at, bytes);
    }
    file
}

#[test]
fn a_log_is_replayed_over_the_file() {
    let entry = log_entry(5, &[(BAT + 8192, 4096)], &[(BAT + 4096, 0x5a)]);
    let file = with_log(&[(0, entry)]);
    let image = parsed(&file).unwrap();
    assert_eq!(codes(&image), ["vhdx.log.replayed"]);
    assert!(image.facts.dirty && image.facts.details.contains(&("log-entries", Value::Number(1))));
    let replayed = imgprep_map::OverlayReader::new(&file as &dyn ReadAt, image.overlay.unwrap());
    let replayed = &replayed as &dyn ReadAt;
    assert!(replayed.slice(BAT + 4096, 4096).unwrap().iter().all(|byte| *byte == 0x5a));
    assert_eq!(replayed.array::<1>(BAT + 8192).unwrap(), [0]);
}

#[test]
fn a_sequence_without_its_tail_is_ignored() {
    // A newer entry whose tail (offset 0) does not belong to its own sequence.
    let entries =
        [(0, log_entry(5, &[], &[(BAT + 4096, 1)])), (65536, log_entry(9, &[], &[(BAT + 4096, 2)]))];
    let image = parsed(&with_log(&entries)).unwrap();
    assert!(
        image.findings[0].message.contains("1 log entry replayed in memory, the last one number 5"),
        "{:?}",
        image.findings
    );
    let error = parsed(&with_log(&entries[1..])).unwrap_err();
    assert_eq!((error.code().id, error.at()), ("vhdx.log.no-sequence", Some(LOG)));
}

#[test]
fn invalid_descriptors_are_rejected() {
    let refused = |entry: Vec<u8>| {
        let error = parsed(&with_log(&[(0, entry)])).unwrap_err();
        error.detail::<Corrupt>().unwrap().clone()
    };
    let (at, whole) = (LOG + 64, "not whole sectors of 4096 bytes");
    let bad = |start, end, reason| Corrupt::Descriptor { at, start, end, reason };
    assert_eq!(refused(log_entry(1, &[(BAT, 512)], &[])), bad(BAT, BAT + 512, whole));
    assert_eq!(refused(log_entry(1, &[(BAT + 1, 4096)], &[])), bad(BAT + 1, BAT + 4097, whole));
    assert_eq!(refused(log_entry(1, &[], &[(BAT + 512, 1)])), bad(BAT + 512, BAT + 512 + 4096, whole));
    let past = "past the end of the file as recorded in the log";
    assert_eq!(refused(log_entry(1, &[], &[(4 * MIB, 1)])), bad(4 * MIB, 4 * MIB + 4096, past));
    let mut entry = log_entry(1, &[(4096, 4096)], &[]);
    entry[72..80].copy_from_slice(&(u64::MAX - 4095).to_le_bytes());
    let crc = crc::sealed(&entry);
    entry[4..8].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(refused(entry), bad(4096, u64::MAX, past));
    let mut entry = log_entry(1, &[], &[]);
    entry[48..56].copy_from_slice(&(5 * MIB).to_le_bytes());
    let crc = crc::sealed(&entry);
    entry[4..8].copy_from_slice(&crc.to_le_bytes());
    let want = Corrupt::Truncated { at: LOG + 48, expected: 5 * MIB, file_len: 4 * MIB };
    assert_eq!(refused(entry), want);
}

/// Found by mutation testing: the end of the file was rounded up past all offsets.
#[test]
fn a_file_that_no_system_can_have() {
    for last in [u64::MAX, 1 << 63] {
        let mut entry = log_entry(1, &[(BAT, 4096)], &[]);
        entry[56..64].copy_from_slice(&last.to_le_bytes());
        let crc = crc::sealed(&entry);
        entry[4..8].copy_from_slice(&crc.to_le_bytes());
        let error = parsed(&with_log(&[(0, entry)])).unwrap_err();
        let (code, field, expected) = (crate::codes::LOG_FIELD, "LastFileOffset", "less than 2^63");
        let want = Invalid::Field { code, at: LOG + 56, field, expected, found: last };
        assert_eq!(error.detail(), Some(&want));
    }
}

#[test]
fn a_log_is_kept_within_the_limit() {
    let writes: Vec<_> = (0..20).map(|_| (BAT + 4096, 1)).collect();
    let file = with_log(&[(0, log_entry(1, &[], &writes))]);
    let limits = Limits { resident_bytes: 10 * 4096, ..Limits::default() };
    let error = parse(&file, &ParseOptions { limits, ..ParseOptions::default() }).err().unwrap();
    let at = LOG + 64 + 9 * 32;
    assert_eq!(error.detail(), Some(&Unsupported::LogTooLarge { at, limit: 40960 }));
    assert_eq!(error.code().id, "vhdx.limit.log");
}

/// Every sector is the head of an entry that declares the length of the whole log.
#[test]
fn the_cost_of_a_hostile_log_is_bounded_by_its_length() {
    let mut head = log_entry(1, &[], &[]);
    head[8..12].copy_from_slice(&u32::try_from(MIB).unwrap().to_le_bytes());
    let mut file = with_log(&(0..256).map(|sector| (sector * 4096, head.clone())).collect::<Vec<_>>());
    file.read.store(0, Ordering::Relaxed);
    assert_eq!(parsed(&file).unwrap_err().code().id, "vhdx.log.no-sequence");
    let read = file.read.load(Ordering::Relaxed);
    assert!(read < 4 * MIB, "{read}");
    // A chain of complete entries with consecutive numbers, whose heads all reference a tail elsewhere.
    let mut chain = |first: u64, numbers: Range<u64>| {
        for (sector, number) in (first..).zip(numbers) {
            let mut entry = log_entry(number, &[], &[]);
            entry[12..16].copy_from_slice(&0x000f_f000u32.to_le_bytes());
            let crc = crc::sealed(&entry);
            entry[4..8].copy_from_slice(&crc.to_le_bytes());
            file.put(LOG + sector * 4096, &entry);
        }
    };
    chain(0, 1..100);
    chain(99, 1..100);
    file.read.store(0, Ordering::Relaxed);
    assert_eq!(parsed(&file).unwrap_err().code().id, "vhdx.log.no-sequence");
    let read = file.read.load(Ordering::Relaxed);
    assert!(read < 8 * MIB, "{read}");
}

#[test]
fn a_salvage_continues_without_a_log_that_cannot_be_replayed() {
    let torn = |at: usize| {
        let mut entry = log_entry(5, &[], &[(BAT + 4096, 0x5a)]);
        entry[at] ^= 1;
        with_log(&[(0, entry)])
    };
    // No entry, an entry with a wrong checksum, and a descriptor with an unaligned offset.
    let mut unaligned = log_entry(5, &[], &[(BAT + 4096 + 512, 0x5a)]);
    let crc = crc::sealed(&unaligned);
    unaligned[4..8].copy_from_slice(&crc.to_le_bytes());
    for file in [with_log(&[]), torn(4200), with_log(&[(0, unaligned)])] {
        let error = parsed(&file).err().unwrap();
        let salvage = ParseOptions { salvage: true, ..ParseOptions::default() };
        let Ok(Parsed::Done(image)) = parse(&file, &salvage) else { panic!("it needs nothing") };
        assert_eq!(codes(&image), ["vhdx.log.skipped"]);
        let message = &image.findings[0].message;
        assert!(
            message.contains(error.code().id) && message.contains("only in the log are lost"),
            "{message}"
        );
        assert!(image.facts.dirty && image.overlay.is_none());
    }
    // An entry that can be replayed is replayed.
    let file = with_log(&[(0, log_entry(5, &[], &[(BAT + 4096, 0x5a)]))]);
    let salvage = ParseOptions { salvage: true, ..ParseOptions::default() };
    let Ok(Parsed::Done(image)) = parse(&file, &salvage) else { panic!("it needs nothing") };
    assert_eq!(codes(&image), ["vhdx.log.replayed"]);
}

//! QEDs at the limits of the check.

use crate::support::library::open;
use crate::support::structure::check;

/// Clusters 16 MiB apart: each needs a separate part of the check's memory.
#[test]
fn check_of_a_scattered_qed_stops_at_its_memory_limit() {
    const PLACES: usize = 1 << 15;
    let (cluster, table) = (4096usize, 16 * 4096usize);
    let mut file = vec![0; cluster + 6 * table];
    let mut put = |at: usize, value: u64| file[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, u64::from_le_bytes(*b"QED\0\0\x10\0\0"));
    put(8, 16 | 1 << 32);
    put(40, cluster as u64);
    put(48, (PLACES * cluster) as u64 + 4096);
    for number in 0..5 {
        put(cluster + number * 8, (cluster + (number + 1) * table) as u64);
    }
    // The header and the tables take the first place.
    let entry = |index: usize| cluster + table + index * 8;
    for index in 0..PLACES {
        put(entry(index), (index as u64 + 1) << 24);
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.qed");
    std::fs::write(&path, &file).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len((PLACES as u64 + 2) << 24).unwrap();
    let (checked, found) = check(&open(&path, None).unwrap());
    let last = found.last().map(|found| (found.code.id, found.at));
    assert_eq!(last, Some(("qed.check.too-large", Some(entry(PLACES - 1) as u64))));
    assert_eq!((checked.check_errors, found.len()), (1, 1));
}

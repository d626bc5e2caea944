//! Tests of the structure check.

use super::*;

#[test]
fn what_the_vendors_reader_rejects_or_misreads_is_a_finding() {
    let blocks = [(0, 10), (2, 5000)];
    for good in [zvhd2(3 * BLOCK, &blocks), zvhd(3 * BLOCK, &blocks)] {
        assert_eq!(found(&good), []);
        let is_zvhd2 = good.starts_with(b"z2");
        // The last page counts in a ZVHD2, the first one in a ZVHD.
        let page = if is_zvhd2 { good.len() as u64 - PAGE } else { 0 };
        let edited = |at, bytes: &[u8]| {
            let mut file = good.clone();
            put_both(&mut file, at, bytes);
            found(&file)
        };
        let current = edited(48, &(2u64 << 30).to_le_bytes());
        assert_eq!(current, [("zvhd.header.current-size", Severity::Error, Some(page + 48))]);
        let kind = edited(60, &[3, 0, 0, 0]);
        assert_eq!(kind, [("zvhd.header.disk-type", Severity::Warning, Some(page + 60))]);
        let application = edited(28, b"tapX");
        assert_eq!(application, [("zvhd.header.application", Severity::Warning, Some(page + 28))]);
    }
    let good = zvhd2(3 * BLOCK, &blocks);
    let edited = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        found(&file)
    };
    assert_eq!(edited(16_384, b"no page"), [("zvhd.header.middle", Severity::Error, Some(16_384))]);
    // Bytes of the two entries, and behind them.
    let rest = 20_480 + 2 * 16;
    assert_eq!(edited(rest, &[1]), [("zvhd.index.rest", Severity::Note, Some(rest as u64))]);
    let last = 544_768 - 1;
    assert_eq!(edited(last, &[1]), [("zvhd.index.rest", Severity::Note, Some(last as u64))]);
}

#[test]
fn gaps_between_records_are_errors_of_the_check() {
    let good = zvhd2(3 * BLOCK, &[(0, 10), (2, 10)]);
    let (index, page) = (16_384, PAGE_BYTES);
    for (gap_at, moved) in [(8192, Some(16 + index)), (12_288, None)] {
        let mut file = good.clone();
        file.splice(gap_at..gap_at, vec![0; page]);
        if let Some(entry) = moved {
            file[entry + page..entry + page + 8].copy_from_slice(&(8192 + PAGE).to_le_bytes());
        }
        let last = file.len() - page;
        put(&mut file, last, 96, &(index as u64 + PAGE).to_le_bytes());
        put(&mut file, last, 104, &(index as u64 + PAGE + 524_288).to_le_bytes());
        let at = if moved.is_some() { 8192 + PAGE } else { 12_288 };
        assert_eq!(found(&file), [("zvhd.record.gap", Severity::Error, Some(at))]);
    }
}

#[test]
fn a_record_longer_than_the_vendors_buffer_is_an_error_of_the_check() {
    let most = PAGE + 2 * BLOCK - 52;
    for file in [zvhd2(BLOCK, &[(0, most)]), zvhd(BLOCK, &[(0, most - 2)])] {
        assert_eq!(found(&file), []);
    }
    for file in [zvhd2(BLOCK, &[(0, most + 1)]), zvhd(BLOCK, &[(0, most - 1)])] {
        assert_eq!(found(&file), [("zvhd.record.size", Severity::Error, Some(PAGE))]);
    }
}

#[test]
fn a_check_that_ends_after_one_finding_reports_no_second() {
    for mut file in [zvhd2(BLOCK, &[(0, 3 * BLOCK)]), zvhd(BLOCK, &[(0, 3 * BLOCK)])] {
        put_both(&mut file, 48, &(2u64 << 30).to_le_bytes());
        put_both(&mut file, 60, &[3]);
        put_both(&mut file, 28, b"tapX");
        let all = found(&file).len();
        assert_eq!(all, 4);
        let image = parse(&file).unwrap();
        let reader: &dyn ReadAt = &file;
        for most in 1..=all {
            let mut count = 0;
            let checked = image.map.check(&reader, &mut |_| {
                count += 1;
                if count < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            checked.unwrap();
            assert_eq!(count, most);
        }
    }
}

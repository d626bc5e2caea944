//! Turns ranges of zeros of a RAW file into holes, in place.

use std::ops::Range;

use imgprep_map::{Error, usize_of};

use crate::Options;
use crate::convert::{Bitmap, BitmapShape, data_ranges};
use crate::load::data_runs;
use crate::pipeline::{self, Share};

/// A file in which ranges of zeros can become holes.
pub trait PunchHoles: Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Alignment of holes in bytes: a power of two.
    fn granule(&self) -> u64;

    /// The next range at or after `at` that is not a hole.
    fn next_data(&self, at: u64) -> Result<Option<Range<u64>>, Error>;

    /// Fills a buffer from an offset.
    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error>;

    /// Makes a range of zeros a hole. It is a multiple of the granule, or ends with the file.
    fn punch(&self, range: Range<u64>) -> Result<(), Error>;
}

/// The result of [`punch_zeros`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punched {
    /// Bytes of the ranges that are or would become holes.
    pub zeros: u64,
    /// The number of these ranges.
    pub holes: u64,
    /// The bitmap, if one was requested.
    pub bitmap: Option<Bitmap>,
}

/// Bytes that are read at once.
const CHUNK: u64 = 2 << 20;

/// Finds zeros that are stored, and punches holes in their place. Only zeros are replaced, by zeros: the contents of the
/// file are the same at any time, also after a kill.
pub fn punch_zeros(
    file: &dyn PunchHoles,
    bitmap: Option<BitmapShape>,
    options: &Options<'_>,
) -> Result<Punched, Error> {
    options.progress.begin(file.size());
    let mut punched =
        Punched { zeros: 0, holes: 0, bitmap: bitmap.map(|shape| Bitmap::new(shape, file.size())) };
    let mut done_to = 0;
    let share = Share::plan(options.threads, options.memory, CHUNK, 1)?;
    let work = |range: Range<u64>, buffer: &mut Vec<u8>| {
        buffer.resize(usize_of(range.end - range.start), 0);
        file.read(range.start, buffer)?;
        options.progress.did_read(buffer.len() as u64);
        let zeros = zeros(buffer, &range, file.granule());
        let data = bitmap.map(|shape| data_ranges(buffer, range.start, shape)).unwrap_or_default();
        Ok((range, zeros, data))
    };
    let reduce = |(range, zeros, data): (Range<u64>, Vec<Range<u64>>, Vec<Range<u64>>)| {
        for zeros in zeros {
            punched.zeros += zeros.end - zeros.start;
            punched.holes += 1;
            file.punch(zeros)?;
        }
        if let Some(bitmap) = &mut punched.bitmap {
            data.iter().for_each(|data| bitmap.set(data));
        }
        options.progress.did_disk(range.end - done_to);
        done_to = range.end;
        (options.observe)(options.progress);
        Ok(())
    };
    pipeline::run(share, options.interrupt, chunks(file), Vec::new, work, reduce)?;
    // The file may end with a hole.
    options.progress.did_disk(file.size() - done_to);
    Ok(punched)
}

/// The ranges that are not holes, in parts that end at multiples of [`CHUNK`].
fn chunks(file: &dyn PunchHoles) -> impl FnMut() -> Result<Option<Range<u64>>, Error> {
    let mut rest: Range<u64> = 0..0;
    move || {
        if rest.is_empty() {
            match file.next_data(rest.end)? {
                Some(data) => rest = data,
                None => return Ok(None),
            }
        }
        let end = (rest.start / CHUNK + 1).saturating_mul(CHUNK).min(rest.end);
        let chunk = rest.start..end;
        rest.start = end;
        Ok(Some(chunk))
    }
}

/// The ranges of whole granules that are zeros. The last granule of the file may be shorter.
fn zeros(bytes: &[u8], range: &Range<u64>, granule: u64) -> Vec<Range<u64>> {
    let mut zeros = Vec::new();
    let mut at = range.start.next_multiple_of(granule);
    let mut until = |end: u64, next: u64| {
        if at < end {
            zeros.push(at..end);
        }
        at = next;
    };
    data_runs(bytes, range.start, granule, |run| {
        until(range.start + run.start as u64, range.start + run.end as u64);
    });
    until(range.end, range.end);
    zeros
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Interrupt, OnLoss, Progress};

    /// A file in memory: data ranges, and what was punched.
    struct Memory {
        bytes: Vec<u8>,
        data: Vec<Range<u64>>,
        punched: Mutex<Vec<Range<u64>>>,
    }

    impl PunchHoles for Memory {
        fn size(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn granule(&self) -> u64 {
            4096
        }

        fn next_data(&self, at: u64) -> Result<Option<Range<u64>>, Error> {
            let next = self.data.iter().find(|data| data.end > at);
            Ok(next.map(|data| data.start.max(at)..data.end))
        }

        fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
            let at = usize::try_from(at).unwrap();
            bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
            Ok(())
        }

        fn punch(&self, range: Range<u64>) -> Result<(), Error> {
            self.punched.lock().unwrap().push(range);
            Ok(())
        }
    }

    fn punched(file: &Memory, threads: usize) -> Punched {
        let (interrupt, progress) = (Interrupt::default(), Progress::default());
        let options = Options {
            threads: threads.try_into().unwrap(),
            memory: 64 << 20,
            on_loss: OnLoss::Stop,
            interrupt: &interrupt,
            progress: &progress,
            observe: &|_| (),
        };
        let punched = punch_zeros(file, Some(BitmapShape::default()), &options).unwrap();
        assert_eq!(progress.read().percent(), 100);
        punched
    }

    #[test]
    fn only_whole_granules_of_zeros_in_data_become_holes() {
        let mut bytes = vec![0; (5 << 20) + 100];
        bytes[0] = 1;
        bytes[4096 * 3 + 5] = 1;
        bytes[(2 << 20) - 1] = 1;
        bytes[5 << 20] = 1;
        let end = bytes.len() as u64;
        let file = |data: Vec<Range<u64>>, bytes: &[u8]| Memory {
            bytes: bytes.to_vec(),
            data,
            punched: Mutex::default(),
        };
        for threads in [1, 2, 7] {
            let all = file(std::iter::once(0..end).collect(), &bytes);
            let found = punched(&all, threads);
            let want = [4096..4096 * 3, 4096 * 4..(2 << 20) - 4096, 2 << 20..4 << 20, 4 << 20..5 << 20];
            assert_eq!(*all.punched.lock().unwrap(), want);
            assert_eq!((found.holes, found.zeros), (4, want.iter().map(|hole| hole.end - hole.start).sum()));
            assert_eq!(found.bitmap.unwrap().data_blocks(), 2);
        }
        // The file ends with zeros, and has a hole.
        bytes[5 << 20] = 0;
        let holes = file(vec![0..8192, 4 << 20..end], &bytes);
        punched(&holes, 2);
        assert_eq!(*holes.punched.lock().unwrap(), [4096..8192, 4 << 20..end]);
    }
}

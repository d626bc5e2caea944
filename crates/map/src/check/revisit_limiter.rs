//! A bound on the work of a table that references other tables repeatedly.

use alloc::collections::BTreeSet;

/// Bytes of tables that may be walked repeatedly, at most the length of the file: images with one
/// or two shared tables can still be inspected.
const AGAIN: u64 = 1 << 20;
/// Maximum number of remembered tables: 64 TiB in the usual clusters of QCOW2 have an eighth of that.
const REMEMBERED: usize = 1 << 20;

/// The tables of one walk.
#[derive(Clone, Debug)]
pub struct RevisitLimiter {
    seen: BTreeSet<u64>,
    room: usize,
    /// Bytes of tables that may still be walked.
    left: u64,
    /// Those of them that may be walked again.
    left_again: u64,
}

impl RevisitLimiter {
    /// Tables that do not overlap fit into a file of `file_len` bytes together.
    pub fn new(file_len: u64) -> Self {
        Self { seen: BTreeSet::new(), room: REMEMBERED, left: file_len, left_again: file_len.min(AGAIN) }
    }

    /// Whether the table at `at` may be walked, of which the walk will see `len` bytes.
    pub fn may_walk(&mut self, at: u64, len: u64) -> bool {
        if self.seen.len() >= self.room {
            self.seen.clear();
        }
        let again = if self.seen.insert(at) { 0 } else { len };
        let (left, left_again) = (self.left.checked_sub(len), self.left_again.checked_sub(again));
        (self.left, self.left_again) = (left.unwrap_or(0), left_again.unwrap_or(0));
        left.is_some() && left_again.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_file_may_be_walked_once() {
        let mut revisits = RevisitLimiter::new(1 << 30);
        assert!((0..1 << 14).all(|table| revisits.may_walk(table << 16, 1 << 16)));
        assert!(!revisits.may_walk(1 << 40, 1 << 16), "there is no room for one more");
    }

    #[test]
    fn a_few_tables_may_be_visited_again() {
        for (file_len, times) in [(1u64 << 50, 17), (3 << 16, 3)] {
            let mut revisits = RevisitLimiter::new(file_len);
            let walked = (0..100).take_while(|_| revisits.may_walk(0, 1 << 16)).count();
            assert_eq!(walked, times, "{file_len}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut revisits = RevisitLimiter { room: 2, ..RevisitLimiter::new(1 << 50) };
        assert!((0..100).all(|table| revisits.may_walk(table, 1)));
        assert!(revisits.seen.len() <= 2);
    }
}

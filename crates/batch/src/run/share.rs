//! Computes the number of threads of the next job.

/// A job that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Bytes that it still has to read.
    pub(crate) left: u64,
    /// Its threads.
    pub(crate) threads: usize,
}

/// The number of threads, of `threads`, for a job of `weight` bytes; `None` if it should wait for one of `busy` to end.
/// `others` are the bytes of all jobs that wait after it.
///
/// While other jobs keep the remaining cores busy, one thread is best, because threads of one image wait for each other.
/// A job that would run alone at the end gets the number of threads with which it ends first, including the time to wait
/// for them.
pub(crate) fn threads_for(weight: u64, others: u64, busy: &[Busy], threads: usize) -> Option<usize> {
    let free = threads.saturating_sub(busy.iter().map(|busy| busy.threads).sum());
    let rest: u128 = busy.iter().map(|busy| u128::from(busy.left)).sum::<u128>() + u128::from(others);
    if u128::from(weight) * (threads as u128 - 1) <= rest {
        return (free > 0).then_some(1);
    }
    let mut ends: Vec<_> =
        busy.iter().map(|busy| (busy.left / busy.threads.max(1) as u64, busy.threads)).collect();
    ends.sort_unstable();
    // (time at which the job would end, its threads, whether they are free now)
    let mut best = (free > 0).then(|| (weight / free as u64, free, true));
    let mut available = free;
    for (end, threads) in ends {
        available += threads;
        let then = end.saturating_add(weight / available as u64);
        if best.is_none_or(|(soonest, ..)| then < soonest) {
            best = Some((then, available, false));
        }
    }
    best.filter(|(.., is_free)| *is_free).map(|(_, threads, _)| threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(left: u64, threads: usize) -> Busy {
        Busy { left, threads }
    }

    #[test]
    fn many_small_ones_share_the_cores() {
        assert_eq!(threads_for(10, 90, &[], 2), Some(1));
        assert_eq!(threads_for(10, 80, &[busy(10, 1)], 2), Some(1));
        assert_eq!(threads_for(10, 80, &[busy(10, 1), busy(10, 1)], 2), None);
        assert_eq!(threads_for(10, 1000, &[busy(10, 1); 7], 8), Some(1));
    }

    #[test]
    fn a_lone_one_gets_all() {
        assert_eq!(threads_for(10, 0, &[], 2), Some(2));
        assert_eq!(threads_for(10, 0, &[], 64), Some(64));
        // One that is much larger than all the others together, first of them.
        assert_eq!(threads_for(1000, 300, &[], 2), Some(2));
    }

    #[test]
    fn a_big_last_one_waits_for_all_cores_when_that_ends_sooner() {
        // 100 bytes alone: 100. After 10: 10 + 50.
        assert_eq!(threads_for(100, 0, &[busy(10, 1)], 2), None);
        // After 60: 60 + 50.
        assert_eq!(threads_for(100, 0, &[busy(60, 1)], 2), Some(1));
        // Two are free now; the last two come too late.
        assert_eq!(threads_for(100, 0, &[busy(90, 2)], 4), Some(2));
    }

    #[test]
    fn nothing_overflows() {
        assert_eq!(threads_for(u64::MAX, u64::MAX, &[], 2), Some(1));
        assert_eq!(threads_for(u64::MAX, 0, &[busy(u64::MAX, 1)], 2), Some(1));
        assert_eq!(threads_for(0, 0, &[], 1), Some(1));
    }
}

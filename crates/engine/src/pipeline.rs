//! Jobs in parallel, with results in order and within a memory budget.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};

use imgprep_map::{Error, usize_of};

use crate::{EngineError, Interrupt};

/// Threads and chunks in flight that a memory budget allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) threads: NonZeroUsize,
    /// Chunks that were fed and not yet reduced.
    pub(crate) in_flight: usize,
}

/// Chunks in flight for each thread: enough that no thread waits while one chunk is slow.
const AHEAD: usize = 4;

impl Share {
    /// The threads and chunks that fit into `budget` bytes if a thread keeps `per_thread` bytes and a chunk in flight
    /// `per_chunk`. A small budget reduces the number of threads.
    pub(crate) fn plan(
        threads: NonZeroUsize,
        budget: u64,
        per_thread: u64,
        per_chunk: u64,
    ) -> Result<Self, EngineError> {
        let needed = per_thread + per_chunk;
        let fitting = usize_of(budget / needed.max(1)).min(threads.get());
        let Some(fitting) = NonZeroUsize::new(fitting) else {
            return Err(EngineError::Memory { needed, budget, threads: threads.get() });
        };
        let left = budget - per_thread * fitting.get() as u64;
        let chunks = usize_of(left / per_chunk.max(1));
        Ok(Self { threads: fitting, in_flight: chunks.min(fitting.get() * AHEAD) })
    }
}

/// Runs jobs: `feed` makes them and `reduce` receives their results, both in order and on the caller's thread.
///
/// `work` runs on any thread. It gets the state of its thread, which `new_state` makes: one for each thread.
///
/// After a failure no more jobs are fed, and the results of those in flight are discarded. The error returned is the
/// one of the first job in order that failed.
pub(crate) fn run<J: Send, S: Send, D: Send>(
    share: Share,
    interrupt: &Interrupt,
    mut feed: impl FnMut() -> Result<Option<J>, Error>,
    new_state: impl Fn() -> S,
    work: impl Fn(J, &mut S) -> Result<D, Error> + Sync,
    reduce: impl FnMut(D) -> Result<(), Error>,
) -> Result<(), Error> {
    let feed = || interrupt.check().and_then(|()| feed());
    if share.threads.get() == 1 {
        run_alone(feed, new_state(), work, reduce)
    } else {
        let states: Vec<_> = (0..share.threads.get()).map(|_| Mutex::new(new_state())).collect();
        run_together(share, feed, &states, work, reduce)
    }
}

fn run_alone<J, S, D>(
    mut feed: impl FnMut() -> Result<Option<J>, Error>,
    mut state: S,
    work: impl Fn(J, &mut S) -> Result<D, Error>,
    mut reduce: impl FnMut(D) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Some(job) = feed()? {
        reduce(work(job, &mut state)?)?;
    }
    Ok(())
}

/// `states` has one state for each thread.
fn run_together<J: Send, S: Send, D: Send>(
    share: Share,
    feed: impl FnMut() -> Result<Option<J>, Error>,
    states: &[Mutex<S>],
    work: impl Fn(J, &mut S) -> Result<D, Error> + Sync,
    reduce: impl FnMut(D) -> Result<(), Error>,
) -> Result<(), Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(share.threads.get())
        .thread_name(|index| format!("imgprep-{index}"))
        .build()
        .map_err(|error| EngineError::Threads { reason: error.to_string() })?;
    let failed = AtomicBool::new(false);
    let (replies, inbox) = mpsc::channel();
    let (work, failed) = (&work, &failed);
    pool.in_place_scope_fifo(|scope| {
        let mut order = Order { feed, reduce, next: 0, waiting: VecDeque::new(), failure: None };
        let mut is_feeding = true;
        loop {
            while is_feeding && order.waiting.len() < share.in_flight {
                let Some(job) = order.feed() else {
                    is_feeding = false;
                    break;
                };
                let mut reply =
                    Reply { number: order.next + order.waiting.len() as u64 - 1, to: Some(replies.clone()) };
                scope.spawn_fifo(move |_| {
                    if failed.load(Ordering::Relaxed) {
                        return reply.send(Answer::Skipped);
                    }
                    let index = rayon::current_thread_index().unwrap_or(0);
                    let mut state = states[index].lock().unwrap_or_else(PoisonError::into_inner);
                    reply.send(Answer::Done(work(job, &mut state)));
                });
            }
            if order.waiting.is_empty() {
                break;
            }
            let Ok((number, answer)) = inbox.recv() else { break };
            if matches!(answer, Answer::Panicked) {
                // The scope propagates the panic once the other workers are done.
                failed.store(true, Ordering::Relaxed);
                break;
            }
            order.take(number, answer);
            if order.failure.is_some() {
                failed.store(true, Ordering::Relaxed);
                is_feeding = false;
            }
        }
        order.failure.map_or(Ok(()), Err)
    })
}

enum Answer<D> {
    Done(Result<D, Error>),
    /// Not started because an earlier job failed.
    Skipped,
    Panicked,
}

/// Sends exactly one answer, also when the worker panics.
struct Reply<D> {
    number: u64,
    to: Option<Sender<(u64, Answer<D>)>>,
}

impl<D> Reply<D> {
    fn send(&mut self, answer: Answer<D>) {
        if let Some(to) = self.to.take() {
            // The receiver is dropped only at the end of the run, when the answer is not needed.
            let _ = to.send((self.number, answer));
        }
    }
}

impl<D> Drop for Reply<D> {
    fn drop(&mut self) {
        self.send(Answer::Panicked);
    }
}

/// Passes results to `reduce` in the order of their jobs.
struct Order<F, R, D> {
    feed: F,
    reduce: R,
    /// Number of the first job in `waiting`.
    next: u64,
    /// One place for every job in flight; `None` until its answer is there.
    waiting: VecDeque<Option<Answer<D>>>,
    failure: Option<Error>,
}

impl<F, R, D> Order<F, R, D>
where
    R: FnMut(D) -> Result<(), Error>,
{
    fn feed<J>(&mut self) -> Option<J>
    where
        F: FnMut() -> Result<Option<J>, Error>,
    {
        match (self.feed)() {
            Ok(Some(job)) => {
                self.waiting.push_back(None);
                Some(job)
            }
            Ok(None) => None,
            Err(error) => {
                // In order after all jobs that were fed: an error of one of them is reported instead.
                self.waiting.push_back(Some(Answer::Done(Err(error))));
                self.reduce_ready();
                None
            }
        }
    }

    fn take(&mut self, number: u64, answer: Answer<D>) {
        // OK: a number is answered once, and its place stays until then.
        let index = usize_of(number - self.next);
        if let Some(place) = self.waiting.get_mut(index) {
            *place = Some(answer);
        }
        self.reduce_ready();
    }

    fn reduce_ready(&mut self) {
        while let Some(Some(_)) = self.waiting.front() {
            let answer = self.waiting.pop_front().flatten();
            self.next += 1;
            if self.failure.is_some() {
                continue;
            }
            if let Some(Answer::Done(result)) = answer {
                self.failure = result.and_then(&mut self.reduce).err();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn share(threads: usize) -> Share {
        Share { threads: NonZeroUsize::new(threads).unwrap(), in_flight: threads * AHEAD }
    }

    fn squares(threads: usize, fail_at: &[u64], feed_fails_at: u64) -> (Vec<u64>, Option<String>) {
        let mut next = 0;
        let mut got = Vec::new();
        let result = run(
            share(threads),
            &Interrupt::default(),
            || {
                next += 1;
                match next {
                    n if n == feed_fails_at => Err(EngineError::NotOpen { id: 999 }.into()),
                    n => Ok((n <= 200).then_some(n)),
                }
            },
            || (),
            |n, ()| {
                if fail_at.contains(&n) {
                    return Err(EngineError::NotOpen { id: u32::try_from(n).unwrap() }.into());
                }
                Ok(n * n)
            },
            |square| {
                got.push(square);
                Ok(())
            },
        );
        (got, result.err().map(|error| error.to_string()))
    }

    #[test]
    fn results_come_in_order_with_any_number_of_threads() {
        let want: Vec<u64> = (1..=200).map(|n| n * n).collect();
        for threads in [1, 2, 7] {
            assert_eq!(squares(threads, &[], 0), (want.clone(), None));
        }
    }

    #[test]
    fn every_thread_has_a_state_of_its_own() {
        for threads in [1, 2, 7] {
            let (mut next, made, mut jobs_of) = (0, Cell::new(0), vec![0; threads]);
            let feed = || {
                next += 1;
                Ok((next <= 200).then_some(()))
            };
            let new_state = || (made.replace(made.get() + 1), 0);
            let work = |(), (state, jobs): &mut (usize, usize)| {
                *jobs += 1;
                Ok((*state, *jobs))
            };
            let reduce = |(state, jobs): (usize, usize)| {
                jobs_of[state] = jobs_of[state].max(jobs);
                Ok(())
            };
            run(share(threads), &Interrupt::default(), feed, new_state, work, reduce).unwrap();
            assert_eq!((made.get(), jobs_of.iter().sum::<usize>()), (threads, 200));
        }
    }

    #[test]
    fn the_lowest_failure_is_reported() {
        for threads in [1, 2, 7] {
            let (got, error) = squares(threads, &[150, 17, 18], 19);
            assert_eq!(got.len(), 16);
            assert_eq!(error.unwrap(), "file number 17 of the image is not open [engine.file-not-open]");
        }
    }

    #[test]
    fn a_failure_to_feed_comes_after_the_jobs_before_it() {
        for threads in [1, 2, 7] {
            let (got, error) = squares(threads, &[], 5);
            assert_eq!(got, [1, 4, 9, 16]);
            assert_eq!(error.unwrap(), "file number 999 of the image is not open [engine.file-not-open]");
        }
    }

    #[test]
    fn an_interrupt_ends_the_run() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let result = run(share(2), &interrupt, || Ok(Some(())), || (), |(), ()| Ok(()), |()| Ok(()));
        assert_eq!(result.unwrap_err().detail::<EngineError>(), Some(&EngineError::Interrupted));
    }

    #[test]
    #[should_panic(expected = "worker died")]
    fn a_panic_in_a_worker_is_passed_on_and_does_not_hang() {
        let mut next = 0;
        let feed = || {
            next += 1;
            Ok((next < 100).then_some(next))
        };
        let work = |n: i32, (): &mut ()| {
            assert!(n != 9, "worker died");
            Ok(())
        };
        let _ = run(share(3), &Interrupt::default(), feed, || (), work, |()| Ok(()));
    }

    #[test]
    fn a_small_budget_costs_threads_not_memory() {
        let threads = NonZeroUsize::new(8).unwrap();
        assert_eq!(Share::plan(threads, 1000, 10, 10), Ok(Share { threads, in_flight: 32 }));
        assert_eq!(Share::plan(threads, 50, 10, 10).unwrap().threads.get(), 2);
        assert_eq!(
            Share::plan(threads, 19, 10, 10),
            Err(EngineError::Memory { needed: 20, budget: 19, threads: 8 })
        );
    }
}

//! The order of the jobs, and their shares of one budget of threads, memory, open files and space.
//!
//! Jobs start largest first, so that only small ones remain at the end. [`threads_for`] determines the threads of each
//! job, and with them its part of the memory. Once its image is open and its tables are scanned, the files and the space
//! that it needs are known: it continues when they are free, or when no other job runs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use imgprep::{Interrupt, Progress, ProgressReading};

use super::share::{Busy, threads_for};

/// The limits for all jobs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) threads: usize,
    pub(crate) memory: u64,
    pub(crate) files: u64,
}

/// Minimum memory of a thread, which compresses chunks of 2 MiB.
const MEMORY_PER_THREAD: u64 = 32 << 20;
/// Time between two checks for a stop during a wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Budget {
    /// The budget. Little memory reduces the number of threads.
    pub(crate) fn new(threads: usize, memory: u64, files: u64) -> Self {
        // OK: saturates.
        let fed = usize::try_from(memory / MEMORY_PER_THREAD).unwrap_or(usize::MAX);
        Self { threads: threads.min(fed).max(1), memory, files }
    }
}

/// A job that starts now.
#[derive(Clone)]
pub(crate) struct Task {
    /// Its index in the list.
    pub(crate) job: usize,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) threads: usize,
    pub(crate) memory: u64,
    /// Whether it has the whole budget.
    pub(crate) is_alone: bool,
    pub(crate) progress: Arc<Progress>,
}

struct Working {
    task: Task,
    begun: Instant,
    /// Files and space, once they are known.
    admitted: Option<(u64, u64)>,
}

#[derive(Default)]
struct State {
    /// Largest first.
    ready: VecDeque<usize>,
    ready_weight: u64,
    /// Jobs to retry, with the time of the retry.
    later: Vec<(Instant, usize)>,
    working: HashMap<usize, Working>,
    attempts: HashMap<usize, u32>,
    /// Jobs that need the whole budget.
    need_all: HashSet<usize>,
    is_stopped: bool,
}

/// The jobs of a batch that are not done yet.
pub(crate) struct Queue {
    budget: Budget,
    weights: Vec<u64>,
    state: Mutex<State>,
    changed: Condvar,
}

/// A running job, for progress output.
#[derive(Clone, Debug)]
pub struct RunningJob {
    /// Its index in the batch.
    pub job: usize,
    /// Its threads.
    pub threads: usize,
    /// Its progress.
    pub reading: ProgressReading,
    /// Time since it started.
    pub elapsed: Duration,
}

impl Queue {
    /// The jobs `pending` of a batch. `weights` are the bytes of all its images.
    pub(crate) fn new(budget: Budget, weights: Vec<u64>, pending: impl Iterator<Item = usize>) -> Self {
        let mut ready: Vec<_> = pending.collect();
        // A stable sort: images of equal size are converted in the order of the batch.
        ready.sort_by_key(|job| std::cmp::Reverse(weights[*job]));
        let ready_weight = ready.iter().fold(0_u64, |sum, job| sum.saturating_add(weights[*job]));
        let state = State { ready: ready.into(), ready_weight, ..State::default() };
        Self { budget, weights, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job that may start; `None` if there are no more.
    pub(crate) fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            self.wake(&mut state);
            if let Some((threads, is_alone)) = self.choose(&state) {
                return self.begin(&mut state, threads, is_alone);
            }
            if state.ready.is_empty() && state.later.is_empty() && state.working.is_empty() {
                self.changed.notify_all();
                return None;
            }
            state = self.wait(state);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Makes jobs ready whose pause is over.
    fn wake(&self, state: &mut State) {
        let now = Instant::now();
        let (due, later) = state.later.drain(..).partition(|(at, _)| *at <= now);
        state.later = later;
        let due: Vec<(Instant, usize)> = due;
        for (_, job) in due {
            self.insert(state, job);
        }
    }

    fn insert(&self, state: &mut State, job: usize) {
        let place = state.ready.partition_point(|other| self.weights[*other] >= self.weights[job]);
        state.ready.insert(place, job);
        state.ready_weight = state.ready_weight.saturating_add(self.weights[job]);
    }

    /// The threads of the first ready job, if it may start now.
    fn choose(&self, state: &State) -> Option<(usize, bool)> {
        let job = *state.ready.front()?;
        if state.need_all.contains(&job) {
            return state.working.is_empty().then_some((self.budget.threads, true));
        }
        if state.working.values().any(|working| working.task.is_alone) {
            return None;
        }
        let busy: Vec<_> = state
            .working
            .values()
            .map(|working| {
                let left = left(self.weights[working.task.job], &working.task.progress.read());
                Busy { left, threads: working.task.threads }
            })
            .collect();
        let others = state.ready_weight.saturating_sub(self.weights[job]);
        threads_for(self.weights[job], others, &busy, self.budget.threads).map(|threads| (threads, false))
    }

    fn begin(&self, state: &mut State, threads: usize, is_alone: bool) -> Option<Task> {
        let job = state.ready.pop_front()?;
        state.ready_weight = state.ready_weight.saturating_sub(self.weights[job]);
        let attempt = state.attempts.entry(job).or_insert(0);
        *attempt += 1;
        let memory = if is_alone { self.budget.memory } else { self.memory(threads) };
        let task = Task { job, attempt: *attempt, threads, memory, is_alone, progress: Arc::default() };
        state.working.insert(job, Working { task: task.clone(), begun: Instant::now(), admitted: None });
        // Another job may start, too.
        self.changed.notify_all();
        Some(task)
    }

    fn memory(&self, threads: usize) -> u64 {
        // OK: `threads` is at most the budget's, so the quotient times it is at most its memory.
        self.budget.memory / self.budget.threads as u64 * threads as u64
    }

    /// Waits until the files and the space of a job are free. A job that needs more than the whole budget runs alone,
    /// because the upper bounds are rarely reached.
    pub(crate) fn admit(
        &self,
        task: &Task,
        files: u64,
        space: u64,
        free: &dyn Fn() -> u64,
        interrupt: &Interrupt,
    ) {
        let mut state = self.lock();
        loop {
            let admitted =
                || state.working.values().filter_map(|working| Some((working.admitted?, &working.task)));
            let open: u64 = admitted().map(|((files, _), _)| files).sum();
            let promised =
                admitted().map(|((_, space), task)| space.saturating_sub(task.progress.read().output));
            let promised = promised.fold(0_u64, u64::saturating_add);
            let fits = open + files <= self.budget.files && promised.saturating_add(space) <= free();
            if fits || admitted().next().is_none() || interrupt.is_raised() {
                break;
            }
            state = self.wait(state);
        }
        if let Some(working) = state.working.get_mut(&task.job) {
            working.admitted = Some((files, space));
        }
    }

    /// Ends a job that has finished or failed.
    pub(crate) fn end(&self, job: usize) {
        self.lock().working.remove(&job);
        self.changed.notify_all();
    }

    /// Ends a job that is retried after a pause.
    pub(crate) fn again(&self, job: usize, pause: Duration) {
        let mut state = self.lock();
        state.working.remove(&job);
        state.later.push((Instant::now() + pause, job));
        self.changed.notify_all();
    }

    /// Starts a job again with the whole budget, which does not count as an attempt.
    pub(crate) fn again_alone(&self, job: usize) {
        let mut state = self.lock();
        state.working.remove(&job);
        state.need_all.insert(job);
        if let Some(attempts) = state.attempts.get_mut(&job) {
            *attempts -= 1;
        }
        self.insert(&mut state, job);
        self.changed.notify_all();
    }

    /// Starts no more jobs.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// The running jobs in the order of the batch.
    pub(crate) fn running_jobs(&self) -> Vec<RunningJob> {
        let state = self.lock();
        let running_job = |working: &Working| RunningJob {
            job: working.task.job,
            threads: working.task.threads,
            reading: working.task.progress.read(),
            elapsed: working.begun.elapsed(),
        };
        let mut list: Vec<_> = state.working.values().map(running_job).collect();
        list.sort_by_key(|running| running.job);
        list
    }
}

/// The part of a weight that is left, given the progress of the job.
pub(crate) fn left(weight: u64, reading: &ProgressReading) -> u64 {
    if reading.total == 0 {
        return weight;
    }
    let left = u128::from(reading.total.saturating_sub(reading.disk)) * u128::from(weight);
    // OK: at most `weight`.
    u64::try_from(left / u128::from(reading.total)).unwrap_or(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(threads: usize, weights: &[u64]) -> Queue {
        Queue::new(Budget::new(threads, 1 << 30, 100), weights.to_vec(), 0..weights.len())
    }

    #[test]
    fn the_largest_begins_and_equals_keep_their_order() {
        let queue = queue(1, &[5, 9, 5, 7]);
        let mut order = Vec::new();
        while let Some(task) = queue.next() {
            order.push(task.job);
            queue.end(task.job);
        }
        assert_eq!(order, [1, 3, 0, 2]);
    }

    #[test]
    fn threads_and_memory_are_shared_and_the_last_one_gets_all() {
        let queue = queue(2, &[10, 10, 10]);
        let (first, second) = (queue.next().unwrap(), queue.next().unwrap());
        assert_eq!((first.threads, second.threads), (1, 1));
        assert_eq!(first.memory + second.memory, 1 << 30);
        queue.end(first.job);
        queue.end(second.job);
        let third = queue.next().unwrap();
        assert_eq!((third.threads, third.memory), (2, 1 << 30));
        queue.end(third.job);
        assert!(queue.next().is_none());
    }

    #[test]
    fn little_memory_costs_threads() {
        assert_eq!(Budget::new(8, 64 << 20, 9).threads, 2);
        assert_eq!(Budget::new(8, 1, 9).threads, 1);
    }

    #[test]
    fn a_job_that_needs_all_waits_for_the_others_and_is_no_second_attempt() {
        let queue = queue(2, &[10, 10]);
        let (first, second) = (queue.next().unwrap(), queue.next().unwrap());
        queue.again_alone(first.job);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.next().unwrap());
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            queue.end(second.job);
            let task = waiting.join().unwrap();
            assert_eq!((task.job, task.is_alone, task.attempt, task.memory), (0, true, 1, 1 << 30));
        });
    }

    #[test]
    fn space_is_promised_once_and_a_lone_job_is_let_in_anyway() {
        let queue = queue(2, &[10, 10, 10]);
        let interrupt = Interrupt::default();
        let (first, second) = (queue.next().unwrap(), queue.next().unwrap());
        queue.admit(&first, 1, 1000, &|| 600, &interrupt);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.admit(&second, 1, 10, &|| 600, &interrupt));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            queue.end(first.job);
        });
        let third = queue.next().unwrap();
        // 10 of 600 are promised, 99 of 100 files are left.
        queue.admit(&third, 99, 590, &|| 600, &interrupt);
    }

    #[test]
    fn a_pause_is_waited_for_and_a_stop_ends_it() {
        let queue = queue(1, &[10]);
        let task = queue.next().unwrap();
        queue.again(task.job, Duration::from_millis(20));
        assert_eq!(queue.next().unwrap().attempt, 2);
        queue.again(task.job, Duration::from_secs(1000));
        queue.stop();
        assert!(queue.next().is_none());
    }
}

//! Time: of the wall, of this process, and medians.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Wall and CPU seconds of one piece of work.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds on the wall.
    pub wall_s: f64,
    /// Seconds of all threads on a CPU, in user and system mode.
    pub cpu_s: f64,
}

impl Cost {
    /// Does `work` and says what it cost.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let result = work();
        let wall_s = start.elapsed().as_secs_f64();
        (result, Self { wall_s, cpu_s: (cpu_seconds() - cpu).max(0.0) })
    }

    /// Both costs together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { wall_s: self.wall_s + other.wall_s, cpu_s: self.cpu_s + other.cpu_s }
    }

    /// The medians of both times.
    #[must_use]
    pub fn median(costs: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| significant(median(costs.iter().map(part)));
        Self { wall_s: of(|c| c.wall_s), cpu_s: of(|c| c.cpu_s) }
    }
}

/// Processor seconds of this process, threads that have ended included: libraries start some of their own for each call.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The median; the mean of the middle two of an even number. Zero of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or_default();
    match values.len() {
        0 => 0.0,
        n => (at((n - 1) / 2) + at(n / 2)) / 2.0,
    }
}

/// Four significant digits: more would be noise in a record.
#[must_use]
pub fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([]), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        let cost = |wall_s, cpu_s| Cost { wall_s, cpu_s };
        let costs = [cost(1.0, 9.0), cost(2.0, 8.0), cost(30.0, 7.0)];
        assert_eq!(Cost::median(&costs), cost(2.0, 8.0));
        assert_eq!(cost(1.0, 2.0).plus(cost(3.0, 4.0)), cost(4.0, 6.0));
    }

    #[test]
    fn the_work_of_threads_that_have_ended_counts() {
        let before = cpu_seconds();
        let spin = || {
            let start = Instant::now();
            while start.elapsed().as_secs_f64() < 0.2 {
                std::hint::spin_loop();
            }
        };
        std::thread::spawn(spin).join().unwrap();
        // On a busy machine it has less of a processor than all of it.
        assert!(cpu_seconds() - before > 0.02);
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(significant(1.234_56), 1.235);
        assert_eq!(significant(123_456.0), 123_500.0);
        assert_eq!(significant(0.0), 0.0);
    }
}

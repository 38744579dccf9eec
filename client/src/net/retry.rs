//! How often and when a request is repeated.

use std::time::Duration;

/// Exponential backoff with jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// Pause after the first.
    pub base: Duration,
    /// Longest pause, unless the server asks for more.
    pub cap: Duration,
    /// Longest pause that the server may ask for.
    pub server_cap: Duration,
}

impl Default for Retry {
    /// Eight attempts within about half a minute: a server may restart meanwhile.
    fn default() -> Self {
        Self {
            attempts: 8,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
            server_cap: Duration::from_secs(60),
        }
    }
}

impl Retry {
    /// One attempt.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// The pause after attempt number `attempt` (from 0): half of it fixed, half random. `None` when that was the last.
    pub(super) fn pause(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        random: u32,
    ) -> Option<Duration> {
        if attempt + 1 >= self.attempts {
            return None;
        }
        let full = self.base.saturating_mul(1 << attempt.min(16)).min(self.cap);
        let jittered = full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX));
        Some(asked.map_or(jittered, |asked| asked.min(self.server_cap).max(jittered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_end() {
        let r = Retry::default();
        let ms = Duration::from_millis;
        assert_eq!(r.pause(0, None, 0), Some(ms(125)));
        assert_eq!(r.pause(0, None, u32::MAX), Some(ms(250)));
        assert_eq!(r.pause(3, None, u32::MAX), Some(ms(2000)));
        assert_eq!(r.pause(6, None, u32::MAX), Some(ms(8000)));
        assert_eq!(r.pause(7, None, 0), None);
        assert_eq!(r.pause(0, Some(ms(5000)), 0), Some(ms(5000)));
        assert_eq!(r.pause(0, Some(ms(500_000)), 0), Some(r.server_cap));
        assert_eq!(Retry::never().pause(0, None, 0), None);
    }
}

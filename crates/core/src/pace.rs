//! How far the thread of a client reads ahead of whoever receives. Knows no queue and does not wait itself.

use std::time::{Duration, Instant};

/// With so many bytes waiting a thread pauses. What has waited behind more of them is no longer in the
/// processor's cache when it is received.
const FAR: usize = 512 << 10;
/// With so few left it goes on: enough to receive until something new is there.
const NEAR: usize = 128 << 10;
/// A pause takes no longer: pings are to be answered while whoever receives is busy with something else.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// Where a thread stands with those who receive.
#[derive(Debug, Default)]
pub(crate) enum Pace {
    /// Close enough to read on.
    #[default]
    Near,
    /// Waiting for them.
    Pausing { since: Instant },
    /// It has paused for as long as it may, and does not again before they have received something: fewer bytes
    /// wait than when it last looked.
    Far { waiting: usize },
}

impl Pace {
    /// Whether the thread is not to read with so many bytes waiting.
    pub(crate) fn pauses(&mut self, waiting: usize, now: impl Fn() -> Instant) -> bool {
        *self = match self {
            Self::Near if waiting < FAR => return false,
            Self::Near => Self::Pausing { since: now() },
            Self::Pausing { .. } if may_go_on(waiting) => Self::Near,
            Self::Pausing { since } if now().saturating_duration_since(*since) < LONGEST_PAUSE => {
                return true;
            }
            Self::Pausing { .. } => Self::Far { waiting },
            Self::Far { .. } if waiting < FAR => Self::Near,
            Self::Far { waiting: before } if waiting < *before => Self::Pausing { since: now() },
            Self::Far { .. } => Self::Far { waiting },
        };
        matches!(self, Self::Pausing { .. })
    }
}

/// Whether a pause is over with so many bytes left to receive.
pub(crate) fn may_go_on(waiting: usize) -> bool {
    waiting <= NEAR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pauses_far_ahead_until_most_is_received() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(!pace.pauses(FAR - 1, || unreachable!("the clock is not read for a thread that is near")));
        assert!(pace.pauses(FAR, || now));
        assert!(pace.pauses(NEAR + 1, || now));
        assert!(!pace.pauses(NEAR, || now));
        assert!(!pace.pauses(FAR - 1, || now));
    }

    #[test]
    fn a_pause_in_vain_is_not_repeated_before_they_have_received_something() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(pace.pauses(FAR, || now));
        assert!(pace.pauses(FAR, || now + LONGEST_PAUSE - Duration::from_nanos(1)));
        assert!(!pace.pauses(FAR, || now + LONGEST_PAUSE));
        assert!(!pace.pauses(FAR, || unreachable!("nor is the clock read")));
        assert!(!pace.pauses(2 * FAR, || unreachable!("nor is the clock read")));
        assert!(pace.pauses(2 * FAR - 1, || now));
        assert!(!pace.pauses(2 * FAR - 1, || now + LONGEST_PAUSE));
        assert!(!pace.pauses(FAR - 1, || unreachable!("nor is the clock read")));
        assert!(pace.pauses(FAR, || now));
    }
}

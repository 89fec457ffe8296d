//! Points in time as JavaScript sees them: milliseconds on a monotonic clock.

use std::{
    cell::Cell,
    sync::OnceLock,
    time::{Duration, Instant},
};

use napi_derive::napi;

static START: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since the first use of this clock.
pub(crate) fn milliseconds(at: Instant) -> f64 {
    at.saturating_duration_since(*START.get_or_init(Instant::now)).as_secs_f64() * 1e3
}

/// [`milliseconds`] for events many of which have come in one read.
#[derive(Default)]
pub(crate) struct Clock {
    latest: Cell<Option<(Instant, f64)>>,
}

impl Clock {
    pub(crate) fn milliseconds(&self, at: Instant) -> f64 {
        match self.latest.get() {
            Some((latest, time)) if latest == at => time,
            _ => {
                let time = milliseconds(at);
                self.latest.set(Some((at, time)));
                time
            }
        }
    }
}

/// Milliseconds on the clock of `NativeBatch`'s times.
#[napi(catch_unwind)]
pub fn monotonic_now() -> f64 {
    milliseconds(Instant::now())
}

/// The longest time a native call blocks before JavaScript may look after its environment: V8 ends
/// a worker's loop when the call returns, which it must within 100 ms.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// A timeout in milliseconds, cut to a slice.
pub(crate) fn slice_of(timeout: f64) -> Duration {
    Duration::try_from_secs_f64(timeout.max(0.0) / 1e3).map_or(SLICE, |timeout| timeout.min(SLICE))
}

//! The behaviour suite against every client and every way to run one, over loopback TCP and TLS.
#![allow(clippy::unwrap_used)]

mod behaviour;
#[allow(dead_code)]
mod server;

macro_rules! suite {
    ($($module:ident: $kind:ident)*) => {
        $(mod $module {
            crate::behaviour::behaviours!(crate::behaviour::Kind::$kind);
        })*
    };
}

suite! {
    non_blocking: NonBlocking
    non_blocking_waiting: NonBlockingWaiting
    non_blocking_polled: NonBlockingPolled
    blocking: Blocking
    blocking_with_timeouts: BlockingWithTimeouts
    blocking_polled: BlockingPolled
    asynchronous: Async
    asynchronous_waiting: AsyncWaiting
}

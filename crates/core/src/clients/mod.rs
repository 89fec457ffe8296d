//! The three clients: each configures a session and calls the one loop.

mod async_non_blocking;
mod blocking;
mod non_blocking;

pub use async_non_blocking::S9AsyncNonBlockingWebSocketClient;
pub use blocking::S9BlockingWebSocketClient;
pub use non_blocking::S9NonBlockingWebSocketClient;

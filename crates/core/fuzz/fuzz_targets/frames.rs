//! A server's bytes after the upgrade, without compression.
#![no_main]

#[allow(dead_code)]
mod connection;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../tests/script/mod.rs"]
mod script;

use libfuzzer_sys::fuzz_target;
use s9_websocket_core::Connection;

fuzz_target!(|input: &[u8]| {
    let Some((how, bytes)) = connection::how(input) else { return };
    let stream = connection::stream(&how, bytes);
    connection::check(Connection::new(stream, Vec::new(), connection::LIMITS()), &how, bytes.len());
});

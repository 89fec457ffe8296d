//! A server's bytes after the upgrade, with permessage-deflate: the filter of frames and the inflater.
#![no_main]

mod connection;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../tests/script/mod.rs"]
mod script;

use libfuzzer_sys::fuzz_target;
use s9_websocket_core::{Connection, PerMessageDeflateAgreement, PerMessageDeflateOptions};

fuzz_target!(|input: &[u8]| {
    let Some((how, bytes)) = connection::how(input) else { return };
    let stream = connection::stream(&how, bytes);
    let options = PerMessageDeflateOptions::new().threshold(0);
    let agreed = PerMessageDeflateAgreement {
        server_no_context_takeover: how.flags & 2 != 0,
        client_no_context_takeover: how.flags & 4 != 0,
        server_max_window_bits: if how.flags & 8 == 0 { 15 } else { 8 + (how.flags >> 4) % 8 },
        client_max_window_bits: if how.flags & 8 == 0 { 15 } else { 15 - (how.flags >> 4) % 8 },
    };
    let connection =
        Connection::with_per_message_deflate(stream, Vec::new(), connection::LIMITS(), options, agreed);
    connection::check(connection, &how, bytes.len());
});

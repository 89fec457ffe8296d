//! What is logged, and at which level: errors at ERROR, the life cycle at DEBUG, messages at TRACE.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Instant,
};

use s9_websocket_core::*;
use script::{Input, PING, TEXT, close_frame, events_to_the_end, frame, open};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What `work` logs, a line a record.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    log.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn messages_both_ways_are_traced_by_kind_and_size_and_never_by_content() {
    let log = logged(|| {
        let mut connection = open([Input::Bytes([frame(TEXT, "secret"), frame(PING, "x")].concat())]);
        script::events(&mut connection, Instant::now(), 9);
        connection.send_text("secret").unwrap();
        connection.send_binary("secret".into()).unwrap();
        connection.send_ping("secret".into()).unwrap();
        connection.send_pong("secret".into()).unwrap();
    });
    let traced: Vec<_> = log.iter().filter_map(|line| line.strip_prefix("TRACE ")).collect();
    assert_eq!(
        traced,
        [
            "text message bytes=6",
            "ping bytes=1",
            "sending bytes=6 kind=\"text message\"",
            "sending bytes=6 kind=\"binary message\"",
            "sending bytes=6 kind=\"ping\"",
            "sending bytes=6 kind=\"pong\"",
        ]
    );
    assert!(!log.iter().any(|line| line.contains("secret")), "{log:?}");
}

#[test]
fn the_life_cycle_is_logged_at_debug() {
    let log = logged(|| {
        let mut connection = script::connection([Input::Bytes(close_frame(1000, "")), Input::End]);
        events_to_the_end(&mut connection, Instant::now(), 9);
    });
    assert_eq!(
        log,
        [
            "DEBUG connection activated",
            "DEBUG close frame received code=1000",
            "DEBUG connection closed code=1000",
            "DEBUG connection quit",
        ]
    );
}

#[test]
fn what_fails_is_logged_at_error() {
    let log = logged(|| {
        let mut connection = open([Input::End]);
        events_to_the_end(&mut connection, Instant::now(), 9);
        let refused = S9NonBlockingWebSocketClient::connect("ws://u:secret@h:0", NonBlockingOptions::new());
        assert!(refused.is_err());
    });
    let errors: Vec<_> = log.iter().filter(|line| line.starts_with("ERROR")).collect();
    assert_eq!(errors.len(), 2, "{log:?}");
    assert!(errors[0].contains("ERR_S9_CONNECTION_CLOSED"));
    assert!(errors[1].contains("ERR_S9_INVALID_URI"));
    assert!(!log.iter().any(|line| line.contains("secret")), "{log:?}");
}

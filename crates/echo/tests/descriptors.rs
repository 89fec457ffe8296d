//! What a server keeps of the process's descriptors; alone in its process, as it counts them all.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use s9_websocket_echo::{EchoOptions, EchoServer};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_stopped_server_that_is_kept_keeps_no_descriptor() {
    let before = open_descriptors();
    let servers: Vec<_> = (0..5).map(|_| EchoServer::start(EchoOptions::default()).unwrap()).collect();
    assert!(open_descriptors() > before, "a server that runs has descriptors");
    for server in &servers {
        server.stop();
    }
    assert_eq!(open_descriptors(), before);
    for server in &servers {
        server.stop();
        assert!(server.url().starts_with("ws://"), "what is stopped can still be asked");
    }
}

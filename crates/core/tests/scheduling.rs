//! What the kernel knows of a client's thread.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{fs, mem, sync::mpsc, time::Instant};

use s9_websocket_core::*;
use script::frames_up_to_close;
use server::*;

/// Tells that the thread runs.
struct Told(mpsc::Sender<libc::pid_t>);

impl EventSink for Told {
    fn put(&mut self, _: WebSocketEvent, _: Instant) {
        let thread = fs::read_link("/proc/thread-self").unwrap();
        let _ = self.0.send(thread.file_name().unwrap().to_str().unwrap().parse().unwrap());
    }
}

/// The slice of a thread in nanoseconds, 0 where the kernel has none of its own for each.
fn slice_of(thread: libc::pid_t) -> u64 {
    // SAFETY: a structure of numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
    let size = mem::size_of_val(&attributes);
    // SAFETY: the kernel writes at most `size` bytes, all of them in `attributes`.
    let result = unsafe {
        libc::syscall(libc::SYS_sched_getattr, thread, &raw mut attributes, size as libc::c_uint, 0)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    attributes.sched_runtime
}

#[test]
fn the_thread_of_a_client_has_a_short_slice() {
    let own = slice_of(0);
    if own == 0 {
        eprintln!("skipped: the kernel knows no slices of a thread's own before version 6.12");
        return;
    }
    let server = serve_raw(Vec::new(), |mut tcp| frames_up_to_close(&mut tcp));
    let options = NonBlockingOptions::new().spin_wait_duration(Some(LONG)).unwrap();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (threads, told) = mpsc::channel();
    let mut client = ThreadedSession::new(session, Told(threads));
    let thread = client.run().unwrap();
    assert_eq!(slice_of(told.recv().unwrap()), 100_000);
    assert_eq!(slice_of(0), own, "the one that started it keeps its own");
    client.control().send(ControlMessage::ForceQuit).unwrap();
    thread.join().unwrap();
}

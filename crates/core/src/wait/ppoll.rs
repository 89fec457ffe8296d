//! Sleeping on Linux: one `ppoll` a wait. An epoll set with a timer takes up to five more system calls
//! to be armed anew, and pays for many sockets only.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, FromRawFd, RawFd},
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use socket2::Socket;

use super::Interest;

pub(super) struct Sleeper {
    alarm: Arc<File>,
    sockets: Vec<(usize, Arc<Socket>)>,
    polled: Vec<libc::pollfd>,
    /// The keys of the sockets in `polled`, which begins with the alarm.
    keys: Vec<usize>,
}

/// Ends the sleep of a [`Sleeper`], or its next one.
///
/// Weak: a client that JavaScript has not collected yet must not keep a descriptor of a loop that is over.
#[derive(Clone, Debug)]
pub(super) struct Alarm(Weak<File>);

impl Alarm {
    pub(super) fn ring(&self) -> io::Result<()> {
        self.0.upgrade().map_or(Ok(()), |alarm| (&*alarm).write_all(&1_u64.to_ne_bytes()))
    }

    #[cfg(test)]
    pub(super) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Sleeper {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor has just been made and is nobody else's.
        let alarm = Arc::new(unsafe { File::from_raw_fd(descriptor) });
        Ok(Self { alarm, sockets: Vec::new(), polled: Vec::new(), keys: Vec::new() })
    }

    pub(super) fn alarm(&self) -> Alarm {
        Alarm(Arc::downgrade(&self.alarm))
    }

    pub(super) fn add(&mut self, key: usize, socket: &Arc<Socket>) -> io::Result<()> {
        self.remove(key);
        self.sockets.push((key, Arc::clone(socket)));
        Ok(())
    }

    pub(super) fn remove(&mut self, key: usize) {
        self.sockets.retain(|(own, _)| *own != key);
    }

    /// Sleeps; [`ready`](Self::ready) then tells which sockets are ready.
    pub(super) fn sleep(
        &mut self,
        interests: &[(usize, Interest)],
        longest: Option<Duration>,
    ) -> io::Result<()> {
        self.polled.clear();
        self.keys.clear();
        self.polled.push(polled(self.alarm.as_raw_fd(), libc::POLLIN));
        for &(key, interest) in interests {
            let socket = self.sockets.iter().find(|(own, _)| *own == key);
            if let (Some((_, socket)), Some(events)) = (socket, events(interest)) {
                self.polled.push(polled(socket.as_raw_fd(), events));
                self.keys.push(key);
            }
        }
        let timeout = longest.map(|longest| libc::timespec {
            // What overflows is longer than any process lives.
            tv_sec: longest.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            // Below 10⁹, which fits on every system.
            tv_nsec: longest.subsec_nanos() as _,
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        let count = self.polled.len() as libc::nfds_t;
        // SAFETY: `polled` holds `count` entries, the timeout is null or lives until the end of this
        // function, and without a mask the signals stay as they are. `sockets` keeps the descriptors open.
        if unsafe { libc::ppoll(self.polled.as_mut_ptr(), count, timeout, ptr::null()) } < 0 {
            let error = io::Error::last_os_error();
            self.polled.clear();
            return Err(error);
        }
        if self.polled[0].revents != 0 { (&*self.alarm).read_exact(&mut [0; 8]) } else { Ok(()) }
    }

    /// The keys of the sockets that the latest sleep found ready.
    pub(super) fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        let sockets = self.keys.iter().zip(self.polled.iter().skip(1));
        sockets.filter(|(_, polled)| polled.revents != 0).map(|(key, _)| *key)
    }
}

fn polled(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// What to poll for; `None` if nothing is wanted: the end of the stream would be reported all the same.
fn events(interest: Interest) -> Option<libc::c_short> {
    match (interest.read, interest.write) {
        (false, false) => None,
        (true, false) => Some(libc::POLLIN | libc::POLLPRI),
        (false, true) => Some(libc::POLLOUT),
        (true, true) => Some(libc::POLLIN | libc::POLLPRI | libc::POLLOUT),
    }
}

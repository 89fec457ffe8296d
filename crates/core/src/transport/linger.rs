//! Sockets that nobody holds any more, read for a while until the peer has ended its stream too. A
//! socket closed with bytes unread sends a RST (RFC 2525, section 2.17), which destroys what the peer has
//! not read yet: our Close frame.

use std::{
    cell::Cell,
    collections::HashMap,
    io::{self, Read},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::Socket;

use crate::wait::{Interest, Waiter, Waker};

/// How long a peer has to read what it was sent.
const LONGEST: Duration = Duration::from_secs(1);
/// Beyond this many, sockets are closed at once: a program that drops so many may not run out of
/// descriptors for it.
const MOST: usize = 64;
/// Most bytes read of one socket before others get their turn, and of one that its client lets go of.
const READ_A_TURN: usize = 1 << 20;

static LINGERING: Mutex<Lingering> = Mutex::new(Lingering { arrivals: Vec::new(), held: 0, thread: None });

thread_local! {
    /// Cleared where the code of the lingering thread may be unloaded.
    static MAY_LINGER: Cell<bool> = const { Cell::new(true) };
}

struct Lingering {
    /// Sockets that the thread has not taken over yet.
    arrivals: Vec<Socket>,
    /// All sockets, those included.
    held: usize,
    thread: Option<LingeringThread>,
}

struct LingeringThread {
    handle: thread::JoinHandle<()>,
    waker: Waker,
    state: Arc<ThreadState>,
}

#[derive(Default)]
struct ThreadState {
    is_told_to_end: AtomicBool,
    /// It takes no more arrivals.
    is_leaving: AtomicBool,
}

/// Keeps a non-blocking socket, whose write side is shut down, until the peer ends its stream.
pub(super) fn linger(socket: &Socket) {
    if !MAY_LINGER.get() {
        return;
    }
    // A descriptor of our own: whoever looks at the connection's socket is to find it gone.
    if let Ok(socket) = socket.try_clone() {
        lock().take(socket);
    }
}

/// Has sockets dropped later on the calling thread closed at once, without waiting for their peers to read
/// the last bytes sent. Those that wait already, go on.
///
/// For a thread on which clients may be dropped after [`end_lingering`] was called on another.
///
/// ```
/// s9_websocket_core::end_lingering_here();
/// ```
pub fn end_lingering_here() {
    MAY_LINGER.set(false);
}

/// As [`end_lingering_here`], and closes at once all sockets that wait, and joins the thread that holds them.
///
/// For who unloads this code. A process may end without it.
///
/// ```
/// s9_websocket_core::end_lingering();
/// ```
pub fn end_lingering() {
    end_lingering_here();
    let thread = lock().thread.take();
    if let Some(LingeringThread { handle, waker, state }) = thread {
        state.is_told_to_end.store(true, Ordering::SeqCst);
        waker.wake();
        // It does not panic; if it did, it has said so itself.
        let _ = handle.join();
        lock().forget_arrivals();
    }
}

fn lock() -> MutexGuard<'static, Lingering> {
    LINGERING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lingering {
    fn take(&mut self, socket: Socket) {
        if self.held >= MOST {
            return;
        }
        self.arrivals.push(socket);
        self.held += 1;
        match &self.thread {
            Some(thread) if !thread.state.is_leaving.load(Ordering::SeqCst) => thread.waker.wake(),
            _ => self.start_thread().unwrap_or_else(|error| {
                tracing::warn!(%error, "sockets are closed at once, for want of a thread");
                self.forget_arrivals();
            }),
        }
    }

    /// Closes what no thread is there to take over.
    fn forget_arrivals(&mut self) {
        if self.thread.is_none() {
            self.held -= self.arrivals.drain(..).len();
        }
    }

    fn start_thread(&mut self) -> io::Result<()> {
        if let Some(former) = self.thread.take() {
            // It takes this lock no more. Joined, so that none runs on unseen.
            let _ = former.handle.join();
        }
        let waiter = Waiter::new()?;
        let (waker, state) = (waiter.waker(), Arc::new(ThreadState::default()));
        let handle = thread::Builder::new().name("s9-linger".into()).stack_size(128 << 10).spawn({
            let state = Arc::clone(&state);
            move || hold_all(waiter, &state)
        })?;
        self.thread = Some(LingeringThread { handle, waker, state });
        Ok(())
    }
}

/// The thread: until all sockets are closed, or it is told to end.
fn hold_all(mut waiter: Waiter, state: &ThreadState) {
    let mut sockets: HashMap<usize, (Arc<Socket>, Instant)> = HashMap::new();
    let mut last_key = 0;
    loop {
        let mut guard = lock();
        let lingering = &mut *guard;
        if state.is_told_to_end.load(Ordering::SeqCst) {
            lingering.held -= sockets.len();
            return;
        }
        for socket in lingering.arrivals.drain(..) {
            let socket = Arc::new(socket);
            last_key += 1;
            if waiter.add(last_key, &socket).is_ok() {
                sockets.insert(last_key, (socket, Instant::now() + LONGEST));
            } else {
                lingering.held -= 1;
            }
        }
        if sockets.is_empty() {
            state.is_leaving.store(true, Ordering::SeqCst);
            return;
        }
        drop(guard);

        let interests: Vec<_> =
            sockets.keys().map(|&key| (key, Interest { read: true, write: false })).collect();
        let now = Instant::now();
        let until = sockets.values().map(|&(_, until)| until).min().unwrap_or(now);
        let has_news = || state.is_told_to_end.load(Ordering::SeqCst) || !lock().arrivals.is_empty();
        let ready = waiter.wait(&interests, Some(until - now), has_news).map(Vec::from_iter);
        let (now, before) = (Instant::now(), sockets.len());
        sockets.retain(|key, (socket, until)| {
            // A poller that cannot wait must not make this spin.
            let is_over = ready.as_ref().map_or(true, |ready| ready.contains(key) && drain(socket));
            let stays = now < *until && !is_over;
            if !stays {
                waiter.remove(*key);
            }
            stays
        });
        lock().held -= before - sockets.len();
    }
}

/// Throws away what the kernel has received; whether the stream is over.
pub(super) fn drain(mut socket: &Socket) -> bool {
    let mut scratch = [0; 16 << 10];
    let mut drained = 0;
    while drained < READ_A_TURN {
        match socket.read(&mut scratch) {
            Ok(0) => return true,
            Ok(count) => drained += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    false
}

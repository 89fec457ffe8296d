//! A session with a thread of its own: commands come over a channel, events go to a sink.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    channel::{ControlSender, commands},
    connect::UpgradeResponse,
    error::{Error, Result},
    event::{CloseFrame, ControlMessage, MessageKind, WebSocketEvent},
    event_signal::EventSignal,
    event_sink::EventSink,
    handler::S9WebSocketClientHandler,
    link::{Commands, Link},
    pace::Pace,
    run::{Turn, turn},
    scheduling,
    session::{SOCKET, Session},
    socket::S9Socket,
    wait::Waiter,
};

/// Stack of a client's thread. Its deepest call is a TLS read under tungstenite, with tracing: some
/// 30 KiB; sinks and the listeners of an `EventSignal` run on it too. Only what is touched is resident.
const STACK_SIZE: usize = 256 << 10;
/// How long the peer's end waits for the answers to what came before it: a receiver that is busy for longer
/// must not keep the peer from its answer.
const LONGEST_FOR_ANSWERS: Duration = Duration::from_millis(500);

/// A thread that has received nothing for this long, or up to twice as long, keeps no memory for more.
const QUIET: Duration = Duration::from_secs(1);

/// A session to be run on a thread of its own, whose events go to a sink.
///
/// Dropping it closes the connection with code 1000 and ends the thread.
///
/// ```no_run
/// use s9_websocket_core::{Canceller, EventSink, NonBlockingOptions, Session, ThreadedSession, WebSocketEvent};
/// use std::time::Instant;
///
/// struct Printer;
///
/// impl EventSink for Printer {
///     fn put(&mut self, event: WebSocketEvent, _at: Instant) {
///         println!("{event:?}");
///     }
/// }
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let (options, canceller) = (NonBlockingOptions::new(), Canceller::new());
/// let session = Session::connect_non_blocking("wss://feed.example.com", &[], options, &canceller)?;
/// let mut threaded = ThreadedSession::new(session, Printer);
/// let thread = threaded.run()?;
/// # drop(thread);
/// # Ok(())
/// # }
/// ```
pub struct ThreadedSession<S: EventSink> {
    control: ControlSender,
    signal: EventSignal,
    response: UpgradeResponse,
    /// Until the thread takes it.
    idle: Option<(Session, ThreadHandler<S>)>,
}

impl<S: EventSink> ThreadedSession<S> {
    /// Gives a session a channel for commands, to be run on a thread.
    pub fn new(mut session: Session, sink: S) -> Self {
        session.uncork_all();
        let (control, commands) = commands(session.max_buffered_amount());
        commands.note_unsent(&session);
        let signal = EventSignal::default();
        let response = session.response().clone();
        let handler = ThreadHandler {
            commands,
            sink: Some(sink),
            signal: signal.clone(),
            is_unpublished: false,
            was_full: false,
            end_read_at: None,
            is_end_held: false,
            pace: Pace::default(),
        };
        Self { control, signal, response, idle: Some((session, handler)) }
    }

    /// Starts the thread. Returns at once; a second call fails with `SocketUnavailable`.
    ///
    /// The thread waits for the socket and for commands together, or spins.
    pub fn run(&mut self) -> Result<thread::JoinHandle<()>> {
        let (mut session, handler) =
            self.idle.take().ok_or(Error::SocketUnavailable("the client's thread has it already"))?;
        let affinity = session.cpu_affinity();
        session.set_non_blocking()?;
        session.lift_buffer_limit();
        let waiter = session.take_waiter()?;
        let end = EndOfThread(self.signal.clone());
        let builder = thread::Builder::new().name("s9-websocket".into()).stack_size(STACK_SIZE);
        builder
            .spawn(move || {
                if let Some(processor) = affinity {
                    scheduling::pin_to(processor);
                }
                scheduling::shorten_slice();
                let link = handler.commands.give_out(session, waiter.waker());
                run_on_thread(&link, handler, waiter);
                drop(end);
            })
            .map_err(|error| Error::io("starting the client's thread", error))
    }

    /// Commands to the connection; may be cloned and used on any thread.
    pub fn control(&self) -> &ControlSender {
        &self.control
    }

    /// The socket, until [`run`](Self::run) moves it to the thread.
    pub fn socket(&self) -> Option<S9Socket> {
        self.idle.as_ref().map(|(session, _)| session.socket())
    }

    /// What the server answered to the upgrade.
    pub fn response(&self) -> &UpgradeResponse {
        &self.response
    }

    /// Tells of events that were published, and of the end of the thread.
    pub fn event_signal(&self) -> EventSignal {
        self.signal.clone()
    }
}

impl<S: EventSink> Drop for ThreadedSession<S> {
    fn drop(&mut self) {
        // A client that never ran closes as its session is dropped.
        if self.idle.is_none() && self.control.is_open() {
            let goodbye = ControlMessage::Close(Some(CloseFrame::new(CloseFrame::NORMAL, "")));
            let _ = self.control.send(goodbye);
        }
    }
}

/// Puts events into the sink and carries out commands.
struct ThreadHandler<S: EventSink> {
    commands: Commands,
    /// Until the end of the handler.
    sink: Option<S>,
    signal: EventSignal,
    is_unpublished: bool,
    /// The turn ended for want of room: there may be more to read than the socket knows of.
    was_full: bool,
    /// Since when the end of the connection waits for answers.
    end_read_at: Option<Instant>,
    /// The end has been read, and this turn does not act on it yet.
    is_end_held: bool,
    pace: Pace,
}

impl<S: EventSink> ThreadHandler<S> {
    /// Shows and tells of the events of a turn; whether that woke someone.
    fn publish(&mut self) -> bool {
        if !std::mem::take(&mut self.is_unpublished) {
            return false;
        }
        if let Some(sink) = &mut self.sink {
            sink.publish();
        }
        self.signal.fire()
    }

    /// Gives back the memory that only the next message would need.
    fn rest(&mut self) {
        Session::release_spare();
        if let Some(sink) = &mut self.sink {
            sink.rest();
        }
    }

    /// Whether to pause for those who receive, who are asked to end that.
    fn is_far_ahead(&mut self) -> bool {
        let waiting = self.sink.as_mut().map_or(0, S::waiting_bytes);
        let pauses = self.pace.pauses(waiting, Instant::now);
        if pauses {
            self.commands.note_pause();
        }
        pauses
    }

    /// Whether the end of the connection is known and has to wait for the answers to what came before, or for
    /// room in the sink.
    fn has_to_wait_with_end(&mut self, session: &Session) -> bool {
        if !session.has_read_end() {
            return false;
        }
        let since = *self.end_read_at.get_or_insert_with(Instant::now);
        let longest = session.close_timeout().min(LONGEST_FOR_ANSWERS);
        let Some(sink) = &mut self.sink else { return false };
        !sink.has_room() || since.elapsed() < longest && !sink.is_answered()
    }
}

impl<S: EventSink> S9WebSocketClientHandler<Session> for ThreadHandler<S> {
    fn on_poll(&mut self, session: &mut Session) {
        self.was_full = false;
        // Asked before: the answers of a receiver that has come back are among the commands by then.
        self.is_end_held = self.has_to_wait_with_end(session);
        if session.has_read_end() && !self.is_end_held {
            // This turn acts on it: what was accepted before goes out ahead of that.
            self.commands.refuse();
        }
        self.commands.carry_out(session);
    }

    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        if matches!(event, WebSocketEvent::Quit) {
            self.commands.refuse();
        }
        if let Some(sink) = &mut self.sink {
            sink.put(event, session.received_at());
        }
        self.is_unpublished = true;
    }

    fn has_room(&mut self) -> bool {
        self.was_full =
            self.is_end_held || self.is_far_ahead() || !self.sink.as_mut().is_some_and(S::has_room);
        !self.was_full
    }

    fn copies_messages(&self) -> bool {
        self.sink.as_ref().is_some_and(S::copies_messages)
    }

    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        let is_copied =
            self.has_room() && self.sink.as_mut().is_some_and(|sink| sink.copy_message(kind, payload, at));
        self.is_unpublished |= is_copied;
        is_copied
    }

    fn acts_later(&self) -> bool {
        true
    }

    fn has_work(&mut self) -> bool {
        // What was received since there was no room may have been received too early to wake this thread.
        self.commands.are_due() || self.was_full && self.has_room()
    }
}

impl<S: EventSink> Drop for ThreadHandler<S> {
    /// However the thread ended, listeners learn that nothing comes: the sink has to be gone before
    /// anyone is told to look.
    fn drop(&mut self) {
        self.commands.refuse();
        self.publish();
        self.sink = None;
        self.signal.fire();
    }
}

/// Runs the session until it has quit; the same turns as in [`run`](crate::run), with the session locked
/// for each and free for senders while this thread sleeps.
fn run_on_thread<S: EventSink>(link: &Link, mut handler: ThreadHandler<S>, mut waiter: Waiter) {
    let mut quiet = Quiet::default();
    loop {
        let mut outlet = link.outlet();
        let Some(running) = outlet.as_mut() else { return };
        let turn = turn(&mut running.session, &mut handler);
        link.note_unsent(&running.session);
        let is_bypassed = link.is_bypassed();
        let is_conversation = handler.is_unpublished && running.expect_answers();
        let next_wait = match turn {
            Turn::Ended => return,
            // What came may be all there is: the wait tells, and costs no more than a read in vain.
            Turn::Busy | Turn::Waiting if handler.was_full => None,
            // Nobody is told of idle turns, and what else a turn could do ends a wait, but for commands that come
            // past the link.
            Turn::Busy | Turn::Waiting | Turn::Idle | Turn::Full => running.session.next_wait(is_bypassed),
        };
        let has_received = running.session.has_read();
        drop(outlet);
        if next_wait.is_some() {
            // Before the events are published: whoever answers them finds the session free.
            waiter.announce();
        }
        let woke = handler.publish();
        let Some((interest, longest)) = next_wait else { continue };
        if woke && is_conversation {
            // To whoever woke, if it shares this processor. Were this thread to sleep first, an answer to what
            // is sent now would find the processor idle, and waking that takes longer than all else here. Only
            // where answers are sent: who yields is passed over for a while if the other then goes on working.
            thread::yield_now();
        }
        let longest = quiet.longest_wait(has_received, longest, || handler.rest());
        let has_work = || handler.has_work() || link.is_bypassed() != is_bypassed;
        let waited = waiter.wait(&[(SOCKET, interest)], longest, has_work).map(drop);
        if let Err(error) = waited
            && let Some(running) = link.outlet().as_mut()
        {
            running.session.fail_waiting(error);
        }
    }
}

/// How long a thread has received nothing.
#[derive(Default)]
enum Quiet {
    /// The memory that its first read found nothing for is not kept either: a process may have a thousand
    /// such threads.
    #[default]
    FromTheStart,
    Not,
    Since(Instant),
}

impl Quiet {
    /// The longest wait after a turn, cut so that `rest` is called in time. The clock is not read where
    /// something came.
    fn longest_wait(
        &mut self,
        has_received: bool,
        longest: Option<Duration>,
        rest: impl FnOnce(),
    ) -> Option<Duration> {
        let left = match self {
            _ if has_received => {
                *self = Self::Not;
                QUIET
            }
            Self::FromTheStart => Duration::ZERO,
            Self::Not => {
                *self = Self::Since(Instant::now());
                QUIET
            }
            Self::Since(since) => QUIET.saturating_sub(since.elapsed()),
        };
        if left.is_zero() {
            rest();
            return longest;
        }
        Some(longest.map_or(left, |longest| longest.min(left)))
    }
}

/// Tells of the end of the thread, a panic's too.
struct EndOfThread(EventSignal);

impl Drop for EndOfThread {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `longest_wait` says for a wait without a bound of its own, and whether the thread was to rest.
    fn wait(quiet: &mut Quiet, has_received: bool) -> (Option<Duration>, bool) {
        let mut rested = false;
        let longest = quiet.longest_wait(has_received, None, || rested = true);
        (longest, rested)
    }

    #[test]
    fn a_thread_rests_from_its_first_wait_on_until_it_has_received_something() {
        let mut quiet = Quiet::default();
        assert_eq!(wait(&mut quiet, false), (None, true));
        assert_eq!(wait(&mut quiet, false), (None, true));
        assert_eq!(wait(&mut quiet, true), (Some(QUIET), false));
        assert_eq!(wait(&mut quiet, false), (Some(QUIET), false));
        let (longest, rested) = wait(&mut quiet, false);
        assert!(longest.is_some_and(|longest| longest <= QUIET) && !rested, "{longest:?}");
    }

    #[test]
    fn a_thread_that_has_received_nothing_for_long_rests() {
        let mut quiet = Quiet::Since(Instant::now() - QUIET);
        assert_eq!(wait(&mut quiet, false), (None, true));
        assert_eq!(wait(&mut quiet, true), (Some(QUIET), false));
    }
}

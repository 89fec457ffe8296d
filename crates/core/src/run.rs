//! The only event loop: turns over a session until it has quit.

use crate::{connection::Step, handler::S9WebSocketClientHandler, session::Session};

/// What a turn of the loop came to.
///
/// ```
/// use s9_websocket_core::Turn;
/// assert_ne!(Turn::Idle, Turn::Busy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something came; more may be there already.
    Busy,
    /// Nothing came.
    Idle,
    /// A blocking read was cut short before its time: neither busy nor idle.
    Waiting,
    /// The handler has no room for events.
    Full,
    /// `Quit` has been given out.
    Ended,
}

/// Runs a client until it has quit. Blocks the calling thread.
///
/// ```no_run
/// use s9_websocket_core::{Canceller, NonBlockingOptions, S9WebSocketClientHandler, Session, run};
///
/// struct Silent;
/// impl S9WebSocketClientHandler<Session> for Silent {}
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let (options, canceller) = (NonBlockingOptions::new(), Canceller::new());
/// let mut session = Session::connect_non_blocking("wss://feed.example.com", &[], options, &canceller)?;
/// run(&mut session, &mut Silent);
/// # Ok(())
/// # }
/// ```
pub fn run<C, H>(client: &mut C, handler: &mut H)
where
    C: AsMut<Session>,
    H: S9WebSocketClientHandler<C>,
{
    loop {
        match turn(client, handler) {
            Turn::Busy | Turn::Waiting => {}
            Turn::Idle | Turn::Full => {
                client.as_mut().wait_unless(|| handler.has_work());
            }
            Turn::Ended => return,
        }
    }
}

/// One turn: `on_poll`, everything that one read of the kernel brings, `on_idle` if that is nothing.
///
/// Blocks only where the session's socket does. One read a turn means that a message is handed over
/// before the next system call is made.
///
/// ```
/// use s9_websocket_core::{S9WebSocketClientHandler, Session, Turn, turn};
///
/// /// Takes what is there and returns to a loop of its own.
/// fn drain(session: &mut Session, handler: &mut impl S9WebSocketClientHandler<Session>) -> bool {
///     loop {
///         match turn(session, handler) {
///             Turn::Busy => {}
///             Turn::Idle | Turn::Waiting | Turn::Full => return true,
///             Turn::Ended => return false,
///         }
///     }
/// }
/// ```
pub fn turn<C, H>(client: &mut C, handler: &mut H) -> Turn
where
    C: AsMut<Session>,
    H: S9WebSocketClientHandler<C>,
{
    if client.as_mut().is_running() {
        handler.on_poll(client);
    }
    client.as_mut().begin_turn(handler.acts_later());
    let mut events = 0_usize;
    loop {
        if !handler.has_room() && !client.as_mut().must_end() {
            if events > 0 {
                return Turn::Busy;
            }
            client.as_mut().note_full();
            return Turn::Full;
        }
        if handler.copies_messages() {
            let copied =
                client.as_mut().offer_messages(|kind, payload, at| handler.copy_message(kind, payload, at));
            if copied > 0 {
                events += copied;
                // Is there room for more?
                continue;
            }
        }
        if events > 0 && handler.acts_later() {
            client.as_mut().block_no_more();
        }
        match client.as_mut().step() {
            Step::Event(event) => {
                events += 1;
                handler.on_event(client, event);
            }
            Step::Idle => break,
            Step::Ended => return Turn::Ended,
        }
    }
    if events > 0 || client.as_mut().has_read() {
        return Turn::Busy;
    }
    if client.as_mut().read_was_cut_short() {
        return Turn::Waiting;
    }
    handler.on_idle(client);
    Turn::Idle
}

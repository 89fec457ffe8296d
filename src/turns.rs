//! Turns of a session on this thread, whose events are written into a batch.

use std::time::Instant;

use napi::Env;
use s9_websocket_core::{
    MessageKind, ReceivedEvent, S9WebSocketClientHandler, Session, Turn, Wait, WebSocketEvent, turn,
};

use crate::{
    batch::{BatchWriter, IDLE, Memory, Written},
    client::{CLOSED, Client, Place},
    clock::SLICE,
    error::{Result, thrown},
};

/// How many idle turns pass before a spinning loop looks at the clock: some 20 µs.
const TURNS_A_LOOK: u32 = 64;

impl Client {
    /// Turns until something comes, `most` at most.
    pub(crate) fn turns(&self, env: Env, batch: &Memory, most: u32) -> Result<u32> {
        self.with_session(|session| {
            for _ in 1..most {
                let (turn, status) = self.one_turn(session, env, batch);
                if status != 0 || turn != Turn::Idle {
                    return (turn, status);
                }
            }
            self.one_turn(session, env, batch)
        })
    }

    /// Turns and waits until something comes, a slice of time at most.
    pub(crate) fn turns_sync(&self, env: Env, batch: &Memory) -> Result<u32> {
        self.with_session(|session| {
            let spins = session.wait_mode() == Wait::Spin;
            // A spinning loop that soon has an event never reads the clock.
            let mut until = (!spins).then(|| Instant::now() + SLICE);
            let mut idle = 0_u32;
            loop {
                let (turn, status) = self.one_turn(session, env, batch);
                if status != 0 || turn == Turn::Ended {
                    return (turn, status);
                }
                if turn == Turn::Idle {
                    session.wait();
                }
                idle = idle.wrapping_add(1);
                if !spins || idle.is_multiple_of(TURNS_A_LOOK) {
                    let now = Instant::now();
                    if now >= *until.get_or_insert(now + SLICE) {
                        return (Turn::Waiting, 0);
                    }
                }
            }
        })
    }

    fn one_turn(&self, session: &mut Session, env: Env, batch: &Memory) -> (Turn, u32) {
        let mut handler = BatchHandler {
            writer: batch.begin(env, self.handover.text_as_buffer),
            client: self,
            has_quit: false,
        };
        handler.write_held();
        let came_to =
            if handler.has_quit || handler.holds() { Turn::Full } else { turn(session, &mut handler) };
        if !handler.has_room() {
            let is_held = self.held.borrow().iter().any(|held| is_message(&held.event));
            handler.writer.set_more(is_held || session.has_message());
        }
        let came_to = match came_to {
            _ if handler.has_quit => Turn::Ended,
            // The session has ended, but the batch did not take all of it.
            Turn::Ended if handler.holds() => Turn::Full,
            other => other,
        };
        (came_to, handler.writer.finish())
    }

    /// Runs `turns` with the session, which is gone once it has quit.
    fn with_session(&self, turns: impl FnOnce(&mut Session) -> (Turn, u32)) -> Result<u32> {
        let mut place = self.place.borrow_mut();
        let Place::Here(session) = &mut *place else { return Err(thrown(CLOSED)) };
        let (turn, status) = turns(session);
        if turn == Turn::Ended {
            *place = Place::Gone;
        }
        Ok(if turn == Turn::Idle { status | IDLE } else { status })
    }
}

fn is_message(event: &WebSocketEvent) -> bool {
    matches!(event, WebSocketEvent::TextMessage(_) | WebSocketEvent::BinaryMessage(_))
}

/// Writes the events of a turn into a batch.
struct BatchHandler<'a> {
    writer: BatchWriter<'a>,
    client: &'a Client,
    has_quit: bool,
}

impl BatchHandler<'_> {
    /// Whether something waits for the next batch.
    fn holds(&self) -> bool {
        !self.client.held.borrow().is_empty()
    }

    fn write_held(&mut self) {
        if !self.holds() {
            return;
        }
        let held = self.client.held.take();
        held.into_iter().for_each(|received| self.write(received));
    }

    fn write(&mut self, received: ReceivedEvent) {
        if self.holds() {
            self.client.held.borrow_mut().push_back(received);
            return;
        }
        let is_quit = matches!(received.event, WebSocketEvent::Quit);
        match self.writer.write(received.event, received.at) {
            Written::Whole => self.has_quit |= is_quit,
            Written::Error(error) => {
                self.client.error.replace(Some(error));
            }
            Written::NoRoom(event) => {
                self.client.held.borrow_mut().push_back(ReceivedEvent { event, at: received.at });
            }
        }
    }
}

impl S9WebSocketClientHandler<Session> for BatchHandler<'_> {
    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        self.write(ReceivedEvent { event, at: session.received_at() });
    }

    fn copies_messages(&self) -> bool {
        true
    }

    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        self.has_room() && self.writer.copy_message(kind, payload, at)
    }

    fn has_room(&mut self) -> bool {
        self.writer.has_room() && !self.holds()
    }

    fn acts_later(&self) -> bool {
        true
    }
}

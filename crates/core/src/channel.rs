//! The sender of commands to a client that runs on a thread: what is checked before they are accepted.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::Sender;

use crate::{
    connection::{check_close_frame, check_control_payload},
    error::{Error, Result},
    event::ControlMessage,
    link::{CLOSING, Commands, Direct, Link},
    pace::may_go_on,
};

/// Sends commands to a client that runs on a thread, and wakes that thread.
///
/// A crossbeam `Sender` with three additions: a wake-up for a thread that waits in a poller, the
/// checks whose failure the caller has to hear of, and the bound on unsent bytes.
///
/// ```no_run
/// use s9_websocket_core::{ControlMessage, NonBlockingOptions, S9AsyncNonBlockingWebSocketClient};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = NonBlockingOptions::new();
/// let mut client = S9AsyncNonBlockingWebSocketClient::connect("wss://feed.example.com", options)?;
/// let thread = client.run()?;
/// let control = client.control_tx.clone();
/// std::thread::spawn(move || control.send(ControlMessage::SendText("from anywhere".into())));
/// # drop(thread);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ControlSender {
    commands: Sender<ControlMessage>,
    link: Arc<Link>,
}

impl ControlSender {
    /// Gives the client a command. Never blocks.
    ///
    /// While its thread sleeps, a message of up to 16 KiB goes to the kernel on the calling thread.
    ///
    /// A message that is accepted is sent once and in order. Fails for a payload, code or reason
    /// that must not be sent, for a message over the bound on unsent bytes, and for a message after
    /// the connection has begun to close; nothing is sent then.
    pub fn send(&self, message: ControlMessage) -> Result<()> {
        match &message {
            ControlMessage::SendPing(data) => check_control_payload("ping payload", data)?,
            ControlMessage::SendPong(data) => check_control_payload("pong payload", data)?,
            ControlMessage::Close(frame) => {
                frame.as_ref().map_or(Ok(()), check_close_frame)?;
                self.end(message);
                return Ok(());
            }
            ControlMessage::ForceQuit => {
                self.end(message);
                return Ok(());
            }
            _ => {}
        }
        match self.direct(message.payload_size())? {
            Some(direct) => direct.send(|session| session.carry_out(message)),
            None => self.queue(message)?,
        }
        Ok(())
    }

    /// Sends a text message, as [`send`](Self::send) does, but copies it only where the client's thread is
    /// to send it.
    pub fn send_text(&self, text: &str) -> Result<()> {
        match self.direct(text.len())? {
            Some(direct) => direct.send(|session| session.send_text_message(text).map(drop)),
            None => self.queue(ControlMessage::SendText(text.to_owned()))?,
        }
        Ok(())
    }

    /// Sends a binary message, as [`send_text`](Self::send_text) does a text.
    pub fn send_binary(&self, data: &[u8]) -> Result<()> {
        match self.direct(data.len())? {
            Some(direct) => direct.send(|session| session.send_binary_slice(data).map(drop)),
            None => self.queue(ControlMessage::SendBinary(Bytes::copy_from_slice(data)))?,
        }
        Ok(())
    }

    /// Sends everything that `sends` sends, and what other senders of this client send meanwhile, in
    /// one write.
    pub fn cork<T>(&self, sends: impl FnOnce(&Self) -> T) -> T {
        self.set_corked(true);
        let result = sends(self);
        self.set_corked(false);
        result
    }

    /// Keeps back what is sent, where a closure does not fit; as often `false` as `true` ends it, and
    /// so does the command to close or to quit.
    pub fn set_corked(&self, corked: bool) {
        self.link.set_corked(corked);
    }

    /// Sends Close 1000 and ends without waiting for the answer; of what has not happened yet, only
    /// `Quit` does.
    pub fn abandon(&self) {
        self.link.abandon();
    }

    /// Tells the client's thread how many of the bytes that
    /// [`EventSink::waiting_bytes`](crate::EventSink::waiting_bytes) counts are still to be received: its pause
    /// ends once they are few. Costs one load where it does not pause.
    pub fn note_received(&self, waiting: usize) {
        if self.link.is_paused() && may_go_on(waiting) {
            self.link.resume();
        }
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub fn buffered_amount(&self) -> usize {
        self.link.buffered_amount()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// The channel itself.
    ///
    /// What is sent through it directly wakes nobody, is not checked, and is seen by a sleeping thread when its
    /// wait ends, after `spin_wait_duration` at the latest; a command that cannot be carried out is logged and
    /// dropped. From the first call on, the thread wakes up so often.
    pub fn channel(&self) -> &Sender<ControlMessage> {
        self.link.bypass();
        &self.commands
    }

    /// Accepts a message of `size` bytes; the session, if it is to be sent on this thread.
    fn direct(&self, size: usize) -> Result<Option<Direct<'_>>> {
        if !self.is_open() {
            return Err(CLOSING);
        }
        self.link.reserve(size)?;
        Ok(self.link.direct(size))
    }

    /// Leaves a message that was accepted to the client's thread.
    fn queue(&self, message: ControlMessage) -> Result<()> {
        self.link.queue(message.payload_size(), || {
            let queued = self.commands.send(message);
            queued.map_err(|_| Error::ConnectionClosed("the client's thread has ended"))
        })
    }

    /// Gives a command that begins the end; after the end there is nothing left to do.
    fn end(&self, message: ControlMessage) {
        self.link.refuse();
        let _ = self.commands.send(message);
        self.link.wake();
    }
}

/// Both ends of a client's channel of commands.
pub(crate) fn commands(max_buffered_amount: usize) -> (ControlSender, Commands) {
    let (commands, waiting) = crossbeam_channel::unbounded();
    let link = Arc::new(Link::new(max_buffered_amount));
    (ControlSender { commands, link: Arc::clone(&link) }, Commands::new(waiting, link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_once_little_is_left_to_receive() {
        let (control, commands) = commands(0);
        commands.note_pause();
        control.note_received(usize::MAX);
        assert!(control.link.is_paused());
        control.note_received(0);
        assert!(!control.link.is_paused());
    }
}

//! What a client is told, wherever its connection is.

use s9_websocket_core::{ControlMessage, ControlSender, Sent, Session};

use crate::{
    client::{CLOSED, Client, Place},
    error::{Result, thrown},
};

impl Client {
    /// Gives a command to the connection, wherever it is.
    pub(crate) fn tell(&self, command: ControlMessage) -> Result<()> {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.carry_out(command),
            Place::Channels { client, .. } => client.control().send(command),
            // There is nothing left to end.
            Place::Gone if matches!(command, ControlMessage::Close(_) | ControlMessage::ForceQuit) => Ok(()),
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)
    }

    /// Sends a text message; 1 if bytes of it are left for the turns to come.
    pub(crate) fn send_text(&self, text: &str) -> Result<u32> {
        self.send(|session| session.send_text_message(text), |control| control.send_text(text))
    }

    /// As `send_text`.
    pub(crate) fn send_binary(&self, data: &[u8]) -> Result<u32> {
        self.send(|session| session.send_binary_slice(data), |control| control.send_binary(data))
    }

    fn send(
        &self,
        here: impl FnOnce(&mut Session) -> s9_websocket_core::Result<Sent>,
        there: impl FnOnce(&ControlSender) -> s9_websocket_core::Result<()>,
    ) -> Result<u32> {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => here(session).map(|sent| (sent == Sent::Queued).into()),
            Place::Channels { client, channels, .. } => {
                channels.expect_event();
                there(client.control()).map(|()| 0)
            }
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)
    }

    /// Does one thing or the other, depending on where the connection is, and nothing once it is gone.
    /// No JavaScript runs in it.
    pub(crate) fn wherever_it_is<T: Default>(
        &self,
        here: impl FnOnce(&mut Session) -> T,
        there: impl FnOnce(&ControlSender) -> T,
    ) -> T {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => here(session),
            Place::Channels { client, .. } => there(client.control()),
            Place::Gone => T::default(),
        }
    }
}

//! What a client is told, wherever its connection is.

use bytes::Bytes;
use s9_websocket_core::{ControlMessage, ControlSender, Sent, Session};

use crate::{
    client::{CLOSED, Client, Place},
    error::{Result, thrown},
};

impl Client {
    /// Gives a command to the connection, wherever it is.
    pub(crate) fn tell(&self, command: ControlMessage) -> Result<()> {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => match command {
                ControlMessage::SendText(text) => session.send_text_message(&text).map(drop),
                ControlMessage::SendBinary(data) => session.send_binary_message(data).map(drop),
                ControlMessage::SendTextUncompressed(text) => {
                    session.send_text_message_uncompressed(&text).map(drop)
                }
                ControlMessage::SendBinaryUncompressed(data) => {
                    session.send_binary_message_uncompressed(data).map(drop)
                }
                ControlMessage::SendPing(data) => session.send_ping(data).map(drop),
                ControlMessage::SendPong(data) => session.send_pong(data).map(drop),
                ControlMessage::Close(frame) => session.close(frame),
                ControlMessage::ForceQuit => {
                    session.force_quit();
                    Ok(())
                }
            },
            Place::Channels { client, .. } => client.control().send(command),
            // There is nothing left to end.
            Place::Gone if matches!(command, ControlMessage::Close(_) | ControlMessage::ForceQuit) => Ok(()),
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)
    }

    /// Sends a text message; 1 if bytes of it are left for the turns to come.
    pub(crate) fn send_text(&self, text: &str) -> Result<u32> {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.send_text_message(text).map(is_left),
            Place::Channels { client, .. } => {
                client.control().send(ControlMessage::SendText(text.to_owned())).map(|()| 0)
            }
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)
    }

    /// As `send_text`.
    pub(crate) fn send_binary(&self, data: &[u8]) -> Result<u32> {
        if let Place::Here(session) = &mut *self.place.borrow_mut() {
            return session.send_binary_slice(data).map(is_left).map_err(thrown);
        }
        self.tell(ControlMessage::SendBinary(Bytes::copy_from_slice(data))).map(|()| 0)
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

fn is_left(sent: Sent) -> u32 {
    (sent == Sent::Queued).into()
}

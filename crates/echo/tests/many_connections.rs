//! A thousand connections at once. The server is a process of its own, so that neither runs out of descriptors.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
mod command;

use client::tcp;
use command::Command;
use tungstenite::Message;

/// macOS allows 256 descriptors a process by default, Linux 1,024.
const CONNECTIONS: usize = if cfg!(target_os = "macos") { 200 } else { 1_000 };

#[test]
fn a_thousand_connections_are_served_at_once() {
    let server = Command::start(&[]);
    let mut clients: Vec<_> =
        (0..CONNECTIONS).map(|_| tungstenite::client(&server.url, tcp(server.port())).unwrap().0).collect();
    for round in 0..3 {
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(Message::text(format!("{round} {at}"))).unwrap();
        }
        for (at, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.read().unwrap(), Message::text(format!("{round} {at}")));
        }
    }
    for client in &mut clients {
        client.close(None).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.read().unwrap(), Message::Close(None));
    }
    drop(clients);
    // Their places are free again.
    let (mut client, _) = tungstenite::client(&server.url, tcp(server.port())).unwrap();
    client.send("after all".into()).unwrap();
    assert_eq!(client.read().unwrap(), "after all".into());
}

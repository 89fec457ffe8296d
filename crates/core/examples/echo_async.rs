//! Sends a line to an echo server through a channel, prints the events that come back, and closes.
//!
//! `cargo run --example echo_async -- ws://localhost:9001`

use std::time::Duration;

use s9_websocket_core::{
    ControlMessage, NonBlockingOptions, Result, S9AsyncNonBlockingWebSocketClient, WebSocketEvent,
};

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or("ws://localhost:9001".into());
    let options = NonBlockingOptions::new().spin_wait_duration(Some(Duration::from_secs(1)))?;
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&url, options)?;
    let thread = client.run()?;
    client.control_tx.send(ControlMessage::SendText("hello".into()))?;
    for received in &client.event_rx {
        match received.event {
            WebSocketEvent::TextMessage(text) => {
                println!("{}", String::from_utf8_lossy(&text));
                client.control_tx.send(ControlMessage::Close(None))?;
            }
            other => println!("{other:?}"),
        }
    }
    thread.join().expect("the thread does not panic");
    Ok(())
}

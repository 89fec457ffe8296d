//! Sends a line to an echo server from a thread that spins, prints what comes back, and closes.
//!
//! `cargo run --example echo_non_blocking -- ws://localhost:9001`

use bytes::Bytes;
use s9_websocket_core::{
    CloseFrame, Error, NonBlockingOptions, Result, S9NonBlockingWebSocketClient, S9WebSocketClientHandler,
};

struct Printer;

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Printer {
    fn on_activated(&mut self, client: &mut S9NonBlockingWebSocketClient) {
        if let Err(error) = client.send_text_message("hello") {
            eprintln!("{error}");
        }
    }

    fn on_text_message(&mut self, client: &mut S9NonBlockingWebSocketClient, text: Bytes) {
        println!("{}", String::from_utf8_lossy(&text));
        if let Err(error) = client.close(Some(CloseFrame::new(CloseFrame::NORMAL, "done"))) {
            eprintln!("{error}");
        }
    }

    fn on_connection_closed(&mut self, _: &mut S9NonBlockingWebSocketClient, frame: CloseFrame) {
        println!("closed with {} {:?}", frame.code, frame.reason);
    }

    fn on_error(&mut self, _: &mut S9NonBlockingWebSocketClient, error: Error) {
        eprintln!("{error}");
    }
}

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or("ws://localhost:9001".into());
    let options = NonBlockingOptions::new().nodelay(true);
    S9NonBlockingWebSocketClient::connect(&url, options)?.run(&mut Printer);
    Ok(())
}

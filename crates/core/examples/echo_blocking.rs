//! Sends a line to an echo server, blocks until it comes back, prints it, and closes.
//!
//! `cargo run --example echo_blocking -- ws://localhost:9001`

use std::time::Duration;

use bytes::Bytes;
use s9_websocket_core::{
    BlockingOptions, CloseFrame, Error, Result, S9BlockingWebSocketClient, S9WebSocketClientHandler,
};

struct Printer;

impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for Printer {
    fn on_idle(&mut self, _: &mut S9BlockingWebSocketClient) {
        println!("nothing for a second");
    }

    fn on_text_message(&mut self, client: &mut S9BlockingWebSocketClient, text: Bytes) {
        println!("{}", String::from_utf8_lossy(&text));
        if let Err(error) = client.close(None) {
            eprintln!("{error}");
        }
    }

    fn on_connection_closed(&mut self, _: &mut S9BlockingWebSocketClient, frame: CloseFrame) {
        println!("closed with {} {:?}", frame.code, frame.reason);
    }

    fn on_error(&mut self, _: &mut S9BlockingWebSocketClient, error: Error) {
        eprintln!("{error}");
    }
}

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or("ws://localhost:9001".into());
    let options = BlockingOptions::new().read_timeout(Some(Duration::from_secs(1)))?;
    let mut client = S9BlockingWebSocketClient::connect(&url, options)?;
    client.send_text_message("hello")?;
    client.run(&mut Printer);
    Ok(())
}

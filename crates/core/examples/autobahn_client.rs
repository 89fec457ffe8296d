//! Echoes the messages of the Autobahn testsuite's fuzzing server, one connection a case, several at a
//! time: `autobahn_client URL AGENT LANES CASES...`. `npm run conformance` runs it.

use std::{sync::Mutex, thread, time::Duration};

use bytes::Bytes;
use s9_websocket_core::{
    NonBlockingOptions, PerMessageDeflateOptions, Result, S9NonBlockingWebSocketClient,
    S9WebSocketClientHandler,
};

struct Echo;

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Echo {
    fn on_text_message(&mut self, client: &mut S9NonBlockingWebSocketClient, text: Bytes) {
        let text = str::from_utf8(&text).expect("the core has checked it");
        report(client.send_text_message(text));
    }

    fn on_binary_message(&mut self, client: &mut S9NonBlockingWebSocketClient, data: Bytes) {
        report(client.send_binary_message(data));
    }
}

fn report<T>(sent: Result<T>) {
    if let Err(error) = sent {
        eprintln!("{error}");
    }
}

fn run_case(url: &str, agent: &str, case: &str) -> Result<()> {
    let agent: String = url::form_urlencoded::byte_serialize(agent.as_bytes()).collect();
    let url = format!("{url}/runCase?casetuple={case}&agent={agent}");
    // The server takes the offer up in cases 12 and 13.
    let options = NonBlockingOptions::new()
        .spin_wait_duration(Some(Duration::from_millis(50)))?
        .per_message_deflate(Some(PerMessageDeflateOptions::new().threshold(0)));
    S9NonBlockingWebSocketClient::connect(&url, options)?.run(&mut Echo);
    Ok(())
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, agent, lanes, cases @ ..] = arguments.as_slice() else {
        panic!("usage: autobahn_client URL AGENT LANES CASES...");
    };
    let cases = Mutex::new(cases.iter());
    let next = || cases.lock().expect("no lane panics while it holds the lock").next();
    thread::scope(|scope| {
        for _ in 0..lanes.parse().expect("LANES is a number") {
            scope.spawn(|| {
                while let Some(case) = next() {
                    run_case(url, agent, case).expect("the fuzzing server takes every connection");
                }
            });
        }
    });
}

//! Follows a book of prices and quantities that a server sends as numbered lines: asks for a snapshot
//! again where a number is missing, and connects again, after growing waits, where the connection fails.
//! Ends once the server closes.
//!
//! Lines: `snapshot NUMBER PRICE:QUANTITY…` after `subscribe`, then `update NUMBER PRICE:QUANTITY`.
//!
//! `cargo run --example order_book -- ws://localhost:9001`

use std::{collections::BTreeMap, str::FromStr, thread, time::Duration};

use bytes::Bytes;
use s9_websocket_core::{
    CloseFrame, Error, NonBlockingOptions, Result, S9NonBlockingWebSocketClient, S9WebSocketClientHandler,
};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

type Client = S9NonBlockingWebSocketClient;

struct Level {
    /// In cents: what is compared must not be rounded.
    price: u64,
    quantity: u64,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (price, quantity) = text.split_once(':').ok_or_else(|| format!("no quantity in {text:?}"))?;
        let number = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
        Ok(Self { price: number(price)?, quantity: number(quantity)? })
    }
}

#[derive(Default)]
struct Book {
    levels: BTreeMap<u64, u64>,
    /// Of the last line applied; `None` while a snapshot is awaited.
    number: Option<u64>,
    failure: Option<Error>,
    had_snapshot: bool,
}

impl Book {
    fn take(&mut self, client: &mut Client, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let number = words.next().unwrap_or_default();
        let number: u64 = number.parse().map_err(|error| format!("{number:?}: {error}"))?;
        let levels = words.map(Level::from_str).collect::<Result<Vec<_>, _>>()?;
        match (kind, self.number) {
            ("snapshot", _) => self.levels.clear(),
            // Asked for again already, or contained in the snapshot.
            (_, None) => return Ok(()),
            (_, Some(last)) if number <= last => return Ok(()),
            (_, Some(last)) if number > last + 1 => {
                println!("gap before {number}");
                self.number = None;
                return client.send_text_message("subscribe").map(drop).map_err(|error| error.to_string());
            }
            _ => {}
        }
        for Level { price, quantity } in levels {
            if quantity == 0 {
                self.levels.remove(&price);
            } else {
                self.levels.insert(price, quantity);
            }
        }
        self.had_snapshot |= kind == "snapshot";
        self.number = Some(number);
        println!("{kind} {number}: {:?}", self.levels);
        Ok(())
    }
}

impl S9WebSocketClientHandler<Client> for Book {
    fn on_activated(&mut self, client: &mut Client) {
        // A failed send shows as the end of the connection.
        let _ = client.send_text_message("subscribe");
    }

    fn on_text_message(&mut self, client: &mut Client, text: Bytes) {
        if let Err(reason) = self.take(client, &String::from_utf8_lossy(&text)) {
            eprintln!("{reason}");
            client.force_quit();
        }
    }

    fn on_connection_closed(&mut self, _: &mut Client, frame: CloseFrame) {
        println!("closed with {} {:?}", frame.code, frame.reason);
    }

    fn on_error(&mut self, _: &mut Client, error: Error) {
        self.failure = Some(error);
    }
}

fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or("ws://localhost:9001".into());
    let mut wait = FIRST_WAIT;
    loop {
        let options = NonBlockingOptions::new()
            .nodelay(true)
            .connect_timeout(Duration::from_secs(5))?
            .spin_wait_duration(Some(Duration::from_millis(50)))?;
        let mut book = Book::default();
        let failure = match Client::connect(&url, options) {
            Ok(mut client) => {
                client.run(&mut book);
                book.failure
            }
            Err(error @ (Error::Io { .. } | Error::Timeout { .. })) => Some(error),
            Err(error) => return Err(error),
        };
        let Some(failure) = failure else { return Ok(()) };
        if book.had_snapshot {
            wait = FIRST_WAIT;
        }
        println!("{}: connecting again", failure.code());
        thread::sleep(wait);
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

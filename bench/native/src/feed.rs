//! A day of market data in some seconds: JSON order-book updates, in bursts, the same for each seed.

use std::{
    hint, io,
    time::{Duration, Instant},
};

use crate::{
    frame::{self, opcode},
    scenario::{Peer, Query},
};

/// Digits of the time of sending in each message.
const TIME_DIGITS: usize = 18;

/// Answers `clock` with this clock's nanoseconds, so that the client can compare clocks; then, told
/// anything else, replays the feed with the time of sending in each message, and says `end`.
pub(crate) fn serve(peer: &mut Peer, query: &Query) -> io::Result<()> {
    let feed = Feed::new(query.number("seed", 1) as u64, query.number("milliseconds", 1000));
    let zero = Instant::now();
    loop {
        let (_, message) = peer.next()?;
        if message != b"clock" {
            break;
        }
        peer.send(opcode::TEXT, format!("{}", zero.elapsed().as_nanos()).as_bytes())?;
    }
    let start = Instant::now();
    let mut bytes = Vec::new();
    for Update { at, before, after } in &feed.updates {
        while start.elapsed() < *at {
            hint::spin_loop();
        }
        let time = format!("{:0TIME_DIGITS$}", zero.elapsed().as_nanos());
        bytes.clear();
        frame::append(&mut bytes, opcode::TEXT, None, format!("{before}{time}{after}").as_bytes());
        peer.send_raw(&bytes)?;
    }
    peer.send(opcode::TEXT, b"end")?;
    loop {
        peer.next()?;
    }
}

struct Feed {
    updates: Vec<Update>,
}

/// A message, without the time of sending in its middle, and when it is due.
struct Update {
    at: Duration,
    before: String,
    after: String,
}

impl Feed {
    /// Bursts come some 400 times a second, exponentially apart; most are of one to three messages,
    /// one in thirty of up to 200, as when a large order sweeps a book. A message has 1 to 40 levels,
    /// few far more often than many: 120 B to 1.5 KB, 300 B in the mean.
    fn new(seed: u64, milliseconds: usize) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (mut updates, mut at, mut id) = (Vec::new(), 0.0, 1_000_000_u64);
        while at < milliseconds as f64 {
            at += -2.5 * (1.0 - random.unit()).ln();
            let size = if random.unit() < 1.0 / 30.0 { 20 + random.below(180) } else { 1 + random.below(3) };
            for _ in 0..size {
                id += 1;
                updates.push(random.update(Duration::from_nanos((at * 1e6) as u64), id));
            }
        }
        Self { updates }
    }
}

/// xorshift64*: small, seeded, good enough to make traffic.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn update(&mut self, at: Duration, id: u64) -> Update {
        let symbol = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"][self.below(4) as usize];
        let levels = 1 + (40.0 * self.unit().powi(4)) as u64;
        let bids = self.levels(levels.div_ceil(2));
        let asks = self.levels(levels / 2);
        Update {
            at,
            before: format!("{{\"e\":\"depthUpdate\",\"s\":\"{symbol}\",\"U\":{id},\"u\":{id},\"t\":\""),
            after: format!("\",\"b\":[{bids}],\"a\":[{asks}]}}"),
        }
    }

    fn levels(&mut self, count: u64) -> String {
        let mut level = || {
            let price = 60_000.0 + self.unit() * 500.0;
            let quantity = self.unit() * 3.0;
            format!("[\"{price:.2}\",\"{quantity:.5}\"]")
        };
        (0..count).map(|_| level()).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_feed_of_the_sizes_told() {
        let [one, same, other] = [1, 1, 2].map(|seed| Feed::new(seed, 1000).updates);
        let text = |update: &Update| format!("{}{}", update.before, update.after);
        assert!(one.iter().map(text).eq(same.iter().map(text)));
        assert!(!one.iter().map(text).eq(other.iter().map(text)));
        let mean = one.iter().map(|update| text(update).len()).sum::<usize>() / one.len();
        assert!((200..500).contains(&mean), "{mean}");
        assert!((1000..6000).contains(&one.len()), "{}", one.len());
    }
}

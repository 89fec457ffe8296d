//! What a message received costs: `step` without a network, over loopback, compressed, and under TLS.
//! Writing batches for JavaScript needs Node, which `npm run bench -- receive` measures it in.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../tests/server/mod.rs"]
mod server;
mod stream;

use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use s9_websocket_core::{
    Connection, Limits, NonBlockingOptions, PerMessageDeflateAgreement, PerMessageDeflateOptions,
    S9NonBlockingWebSocketClient, S9WebSocketClientHandler, Step, TlsOptions, WebSocketEvent,
};
use stream::{BINARY, COMPRESSED_TEXT, Repeating, TEXT, frame, json};
use zlib_rs::{Deflate, DeflateFlush};

/// Enough frames that the stream's end comes seldom.
const REPEATED: usize = 1 << 20;
const SIZES: [usize; 3] = [64, 1024, 16 << 10];

fn step<S: io::Read + io::Write>(connection: &mut Connection<S>, now: Instant) -> Option<WebSocketEvent> {
    match connection.step(now) {
        Step::Event(event) => Some(event),
        Step::Idle => None,
        Step::Ended => unreachable!("nothing ends the connection"),
    }
}

/// `step` alone: framing, UTF-8, the copy into tungstenite's buffer.
fn without_a_network(criterion: &mut Criterion) {
    let now = Instant::now();
    for (kind, first) in [("text", TEXT), ("binary", BINARY)] {
        let mut group = criterion.benchmark_group(format!("step, {kind}"));
        for size in SIZES {
            let frames = frame(first, &json(size)).repeat(REPEATED / size);
            let mut connection = Connection::new(Repeating::new(frames), Vec::new(), Limits::default());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(size.to_string(), |bencher| bencher.iter(|| step(&mut connection, now)));
        }
    }
}

fn compressed(criterion: &mut Criterion) {
    let now = Instant::now();
    for takeover in [false, true] {
        let context = if takeover { "context taken over" } else { "each by itself" };
        let mut group = criterion.benchmark_group(format!("step, compressed, {context}"));
        for size in [150, 1024, 16 << 10] {
            let mut connection = Connection::with_per_message_deflate(
                Repeating::new(compressed_frames(size, takeover)),
                Vec::new(),
                Limits::default(),
                PerMessageDeflateOptions::new(),
                PerMessageDeflateAgreement::default(),
            );
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(size.to_string(), |bencher| bencher.iter(|| step(&mut connection, now)));
        }
    }
}

fn compressed_frames(size: usize, takeover: bool) -> Vec<u8> {
    let mut deflate = Deflate::new(6, false, 15);
    let messages = json(REPEATED);
    let frames = messages.chunks_exact(size).flat_map(|message| {
        let mut payload = vec![0; size + 100];
        let before = deflate.total_out();
        deflate.compress(message, &mut payload, DeflateFlush::SyncFlush).unwrap();
        payload.truncate((deflate.total_out() - before) as usize - 4);
        if !takeover {
            deflate.reset();
        }
        frame(COMPRESSED_TEXT, &payload)
    });
    frames.collect()
}

/// What is written to this end floods in at the other, until either is dropped.
fn flood(mut stream: impl io::Write, first: u8, size: usize) {
    let frames = frame(first, &json(size)).repeat((256 << 10) / size);
    while stream.write_all(&frames).is_ok() {}
}

struct Count(u64);

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Count {
    fn on_text_message(&mut self, _: &mut S9NonBlockingWebSocketClient, _: Bytes) {
        self.0 += 1;
    }

    fn on_binary_message(&mut self, _: &mut S9NonBlockingWebSocketClient, _: Bytes) {
        self.0 += 1;
    }
}

/// The whole client, spinning, with a server that floods it from another processor.
fn over_loopback(criterion: &mut Criterion) {
    for (scheme, tls) in [("ws", false), ("wss", true)] {
        let mut group = criterion.benchmark_group(format!("turn, binary, {scheme}://"));
        for size in SIZES {
            let server = server::serve(tls, move |mut peer| flood(peer.ws.get_mut(), BINARY, size));
            let mut options = NonBlockingOptions::new();
            if let Some(ca) = &server.ca {
                options = options.tls(TlsOptions::new().ca([ca.clone()]));
            }
            let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options).unwrap();
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(size.to_string(), |bencher| {
                bencher.iter_custom(|messages| receive(&mut client, messages));
            });
        }
    }
}

/// The time for this many messages; a turn may bring some more.
fn receive(client: &mut S9NonBlockingWebSocketClient, messages: u64) -> Duration {
    let mut count = Count(0);
    let start = Instant::now();
    while count.0 < messages {
        assert!(client.poll(&mut count), "the server is gone");
    }
    start.elapsed().mul_f64(messages as f64 / count.0 as f64)
}

/// A turn that finds nothing: one read of the kernel.
fn idle_turn(criterion: &mut Criterion) {
    let server = server::serve_raw(Vec::new(), |tcp: TcpStream| {
        let _ = io::copy(&mut &tcp, &mut io::sink());
    });
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap();
    let mut count = Count(0);
    client.poll(&mut count);
    criterion.bench_function("turn, idle", |bencher| bencher.iter(|| client.poll(&mut count)));
}

criterion_group!(benches, without_a_network, compressed, over_loopback, idle_turn);
criterion_main!(benches);

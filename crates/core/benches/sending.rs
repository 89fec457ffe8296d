//! What a message sent costs: framing, masking and the copy, without a network; and compressing.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod stream;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use s9_websocket_core::{Connection, Limits, PerMessageDeflateAgreement, PerMessageDeflateOptions, Sent};
use stream::{Repeating, TEXT, frame, json};

/// Never read here.
fn stream() -> Repeating {
    Repeating::new(frame(TEXT, b""))
}

fn plain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send, masked");
    for size in [64, 1024, 16 << 10] {
        let mut connection = Connection::new(stream(), Vec::new(), Limits::default());
        let text = String::from_utf8(json(size)).unwrap();
        let data = Bytes::from(json(size));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("text/{size}"), |bencher| {
            bencher.iter(|| assert_eq!(connection.send_text(&text).unwrap(), Sent::Flushed));
        });
        group.bench_function(format!("binary/{size}"), |bencher| {
            bencher.iter(|| assert_eq!(connection.send_binary(data.clone()).unwrap(), Sent::Flushed));
        });
    }
}

fn compressed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send, compressed");
    for level in [1, 6] {
        for size in [1024, 16 << 10] {
            let options = PerMessageDeflateOptions::new().level(level).unwrap();
            let agreed = PerMessageDeflateAgreement {
                client_no_context_takeover: true,
                ..PerMessageDeflateAgreement::default()
            };
            let mut connection = Connection::with_per_message_deflate(
                stream(),
                Vec::new(),
                Limits::default(),
                options,
                agreed,
            );
            let data = Bytes::from(json(size));
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("level {level}/{size}"), |bencher| {
                bencher.iter(|| connection.send_binary(data.clone()).unwrap());
            });
        }
    }
}

criterion_group!(benches, plain, compressed);
criterion_main!(benches);

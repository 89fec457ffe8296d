//! What it costs a client's thread to lay events out as batches hold them, for JavaScript to receive.
//! The other half, into memory of JavaScript's own, needs Node: `npm run bench -- receive`.

// The addon is a library that only Node can load: these are its modules.
#[allow(dead_code, unreachable_pub)]
#[path = "../src/batch.rs"]
mod batch;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/clock.rs"]
mod clock;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/error.rs"]
mod error;
#[allow(dead_code)]
#[path = "../src/event_queue.rs"]
mod event_queue;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/parts.rs"]
mod parts;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/wide_text.rs"]
mod wide_text;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_queue::{Capacity, EventQueue, QueueSink};
use s9_websocket_core::{EventSink, MessageKind, WebSocketEvent};

/// What one read of the kernel brings.
const READ: usize = 64 << 10;

/// Every message of a read, copied or put. Of a client that nobody receives from any more, so that publishing
/// forgets them: the memory is as warm as where JavaScript keeps up.
fn laid_out(criterion: &mut Criterion) {
    wide_text::widen_text(u32::MAX);
    let queue = Arc::new(EventQueue::default());
    let capacity = Capacity { events: usize::MAX, bytes: usize::MAX };
    let mut sink = QueueSink::new(&queue, capacity, false);
    drop(queue);
    let payloads = [
        ("text", MessageKind::Text, "sixteen of ASCII"),
        ("text with €", MessageKind::Text, "€ and 13 others."),
        ("binary", MessageKind::Binary, "sixteen of bytes"),
    ];
    for (name, kind, sixteen) in payloads {
        let mut group = criterion.benchmark_group(format!("laid out, {name}"));
        for size in [64, 1024, 16 << 10] {
            let payload = Bytes::from(sixteen.repeat(size / 16));
            let (count, at) = (READ / size, Instant::now());
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(size.to_string(), |bencher| {
                bencher.iter(|| {
                    for _ in 0..count {
                        if !sink.copy_message(kind, &payload, at) {
                            sink.put(WebSocketEvent::message(kind, payload.clone()), at);
                        }
                    }
                    sink.publish();
                });
            });
        }
    }
}

criterion_group!(benches, laid_out);
criterion_main!(benches);

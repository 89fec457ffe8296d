//! What it costs to know that text is UTF-8, and that it is ASCII: each message of text is asked both.

#[allow(dead_code)]
mod stream;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stream::json;

fn checks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    for size in [64, 1024, 16 << 10] {
        let ascii = json(size);
        let mut mixed = "€, sixteen bytes".repeat(size / 18 + 1).into_bytes();
        mixed.truncate(size / 18 * 18);
        group.throughput(Throughput::Bytes(size as u64));
        for (name, text) in [("ASCII", &ascii), ("with €", &mixed)] {
            group.bench_function(format!("UTF-8? {name}/{size}"), |bencher| {
                bencher.iter(|| str::from_utf8(black_box(text)).is_ok());
            });
        }
        group.bench_function(format!("ASCII?/{size}"), |bencher| {
            bencher.iter(|| black_box(&ascii).is_ascii());
        });
    }
}

criterion_group!(benches, checks);
criterion_main!(benches);

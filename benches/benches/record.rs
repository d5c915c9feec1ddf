//! What does it cost to turn a client's bytes into a record, and a record into a response?
//!
//! One configmap of 1.6 KB: parse, canonical form, layout with extraction, and the two ways out. Bytes per
//! second are of the object's size.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use watchkeep_benches::{CONFIG_MAP_BYTES, config_map, schema, value};
use watchkeep_server::codec::{self, Identity};
use watchkeep_server::kinds::table::ResourceTable;
use watchkeep_storage::{Key, Record, Revision, Value};

fn bench(criterion: &mut Criterion) {
    let table = ResourceTable::built_in();
    let resource = table.resource("", "v1", "configmaps").expect("configmaps are built in");
    let identity = Identity { api_version: "v1", kind: "ConfigMap" };
    let bytes = config_map(7, 0);
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(CONFIG_MAP_BYTES as u64));

    group.bench_function("parse", |bencher| bencher.iter(|| codec::json::parse(black_box(&bytes))));
    let parsed = codec::json::parse(&bytes).expect("the bytes are JSON").value;
    group.bench_function("canonical_form", |bencher| {
        bencher.iter(|| codec::decode(resource.schema, identity, black_box(parsed.clone())));
    });
    let (tree, _) = codec::decode(resource.schema, identity, parsed).expect("it is a configmap");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| codec::encode(resource.schema, black_box(&tree)));
    });
    let schema = schema();
    group.bench_function("layout_and_extraction", |bencher| {
        bencher.iter(|| Value::new(black_box(bytes.clone()), &schema));
    });

    let record =
        Record { key: Key::unchecked("/configmaps/n/a"), value: value(7, 0), revision: Revision::new(42) };
    let mut out = Vec::with_capacity(CONFIG_MAP_BYTES * 2);
    group.bench_function("write_object", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&record).write_object(&mut out);
        });
    });
    group.bench_function("write_item", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&record).write_item(&mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

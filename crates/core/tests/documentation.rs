//! What the documentation promises: an example of every public item, compiled as a doctest, and the
//! defaults that the reference page states.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

/// The names that `lib.rs` exports.
fn exported(lib: &str) -> Vec<String> {
    let mut names = Vec::new();
    for statement in lib.split(';').filter_map(|part| part.split_once("\npub use ")) {
        let list = statement.1.split_once("::").unwrap().1;
        let words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
        names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    names
}

/// The documentation above the definition of `name`, if this source defines it.
fn documentation(source: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = source.lines().collect();
    let defined = lines.iter().position(|line| {
        ["struct", "enum", "trait", "fn", "type"].iter().any(|kind| {
            let rest = line.strip_prefix("pub ").and_then(|line| line.strip_prefix(kind));
            let rest = rest.and_then(|rest| rest.trim_start().strip_prefix(name));
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    })?;
    let above = lines[..defined].iter().rev();
    let above = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let mut above: Vec<_> = above.filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    above.reverse();
    Some(above.join("\n"))
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_public_item_has_an_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&folder, &mut all);
    let names = exported(&fs::read_to_string(folder.join("lib.rs")).unwrap());
    assert!(names.len() > 20, "lib.rs is not read any more: {names:?}");
    let without: Vec<_> = names
        .iter()
        .filter(|name| {
            let found = all.iter().find_map(|source| documentation(source, name));
            let text = found.unwrap_or_else(|| panic!("{name} is exported and defined nowhere"));
            // `ignore` and `text` would not be compiled.
            !text.lines().any(|line| line == "```" || line == "```no_run")
        })
        .collect();
    assert!(without.is_empty(), "no compiled example in the documentation of {without:?}");
}

/// The value of a field, as the options' `Debug` form shows it: milliseconds, bytes or a count.
fn default_of(field: &str) -> f64 {
    let shown = format!("{:?}", s9_websocket_core::NonBlockingOptions::new());
    let (_, rest) =
        shown.split_once(&format!("{field}: ")).unwrap_or_else(|| panic!("no {field} in {shown}"));
    let value = rest.split(',').next().unwrap();
    match value.strip_suffix('s') {
        Some(seconds) => seconds.parse::<f64>().unwrap() * 1e3,
        None => value.parse().unwrap(),
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let page = fs::read_to_string(page).unwrap();
    for (option, field) in [
        ("connectTimeout", "connect_timeout"),
        ("closeTimeout", "close_timeout"),
        ("maxMessageSize", "max_message_size"),
        ("maxFrameSize", "max_frame_size"),
        ("maxBufferedAmount", "max_buffered_amount"),
        ("eventCapacity", "event_capacity"),
        ("eventCapacityBytes", "event_capacity_bytes"),
    ] {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{option}`")));
        let cell = row.unwrap_or_else(|| panic!("{option} has no row")).split('|').nth(6).unwrap();
        let number = cell.replace(',', "");
        let documented = match number.trim().strip_suffix(" MiB") {
            Some(mebibytes) => mebibytes.parse::<f64>().unwrap() * f64::from(1 << 20),
            None => number.trim().parse().unwrap(),
        };
        assert_eq!(documented, default_of(field), "{option}");
    }
}

//! Reads the sources and fails on any dependency that the picture of the layers does not show.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every module of the crate and the modules it may use. Nothing may use a module above itself.
const ALLOWED: [(&str, &[&str]); 24] = [
    ("error", &[]),
    ("wait", &[]),
    ("pace", &[]),
    ("scheduling", &[]),
    ("event_signal", &[]),
    ("outbound", &[]),
    ("event", &["error"]),
    ("tls_options", &["error"]),
    ("deflate", &["error", "event"]),
    ("socket", &["error"]),
    ("options", &["deflate", "error", "tls_options"]),
    ("upgrade", &["deflate", "error", "options"]),
    ("transport", &["error", "options", "socket", "tls_options", "wait"]),
    ("connect", &["deflate", "error", "options", "transport", "upgrade", "wait"]),
    ("connection", &["deflate", "error", "event", "outbound"]),
    ("handler", &["error", "event"]),
    ("session", &["connect", "connection", "error", "event", "options", "socket", "transport", "wait"]),
    ("run", &["connection", "handler", "session"]),
    ("event_sink", &["event"]),
    ("link", &["connection", "error", "event", "session", "wait"]),
    ("channel", &["connection", "error", "event", "link", "pace"]),
    (
        "threaded_session",
        &[
            "channel",
            "connect",
            "error",
            "event",
            "event_signal",
            "event_sink",
            "handler",
            "link",
            "pace",
            "run",
            "scheduling",
            "session",
            "socket",
            "wait",
        ],
    ),
    (
        "clients",
        &[
            "channel",
            "connect",
            "error",
            "event_signal",
            "event_sink",
            "handler",
            "options",
            "run",
            "session",
            "socket",
            "threaded_session",
        ],
    ),
    // `lib.rs` only declares and re-exports.
    ("lib", &[]),
];

/// Names that belong to the files given, and to no other file of the core.
const OWNED: [(&str, &[&str]); 9] = [
    (
        "tungstenite",
        &[
            "connection.rs",
            "connection/front.rs",
            "connection/reader.rs",
            "connection/writer.rs",
            "connect.rs",
        ],
    ),
    ("zlib_rs", &["deflate/deflater.rs", "deflate/inflater.rs"]),
    ("native_tls", &["transport/tls.rs"]),
    ("openssl_probe", &["transport/tls.rs"]),
    ("polling", &["wait.rs", "wait/poller.rs"]),
    ("sleep", &["wait.rs", "wait/poller.rs", "wait/ppoll.rs"]),
    ("park", &["wait.rs"]),
    ("park_timeout", &["wait.rs"]),
    ("napi", &[]),
];

/// Files over 400 lines, each with the reason why it is not split.
const LONG_FILES: [(&str, &str); 4] = [
    ("connection.rs", "one state machine: its states, its inputs and its ends are read together"),
    ("options.rs", "one builder method an option, each with its documentation and its check"),
    ("session.rs", "one type: the methods that all clients share, and the waits of one loop"),
    ("transport/tls/tests.rs", "a server, an authority and the tests that need both"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Files under `directory` with this extension, by their path below it.
fn files(directory: &Path, extension: &str) -> BTreeMap<String, String> {
    fn walk(directory: &Path, top: &Path, extension: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, top, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(top).unwrap().to_string_lossy().replace('\\', "/");
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, extension, &mut found);
    found
}

/// The files of the core without those that only hold tests.
fn core_files() -> BTreeMap<String, String> {
    let files = files(&root(), "rs");
    assert!(files.len() > 15, "the sources are not where this test looks");
    files.into_iter().filter(|(name, _)| !name.ends_with("tests.rs")).collect()
}

/// The code of a file: no comments, no text in quotes, no tests at its end.
fn code(source: &str) -> String {
    let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let mut code = String::new();
    for line in source[..end].lines() {
        let mut quoted = false;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if quoted => drop(characters.next()),
                '"' => quoted = !quoted,
                '/' if !quoted && characters.peek() == Some(&'/') => break,
                _ if quoted => {}
                _ => code.push(character),
            }
        }
        code.push('\n');
    }
    code
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// What follows each `crate::`, the first names in a group of braces too.
fn used_modules(code: &str) -> BTreeSet<String> {
    let name = |text: &str| words(text.trim_start()).next().unwrap_or_default().to_owned();
    let mut used = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.insert(name(rest));
            continue;
        };
        let (mut depth, mut item) = (1, 0);
        for (index, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && character == ',') {
                used.insert(name(&group[item..index]));
                item = index + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    used.remove("");
    used
}

fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

#[test]
fn modules_use_only_what_the_picture_of_the_layers_shows() {
    let allowed = BTreeMap::from(ALLOWED);
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, source) in core_files() {
        let own = module(&file).to_owned();
        let Some(may_use) = allowed.get(own.as_str()) else { panic!("{file} is not in the picture") };
        for name in used_modules(&code(&source)) {
            assert!(
                name == own || may_use.contains(&name.as_str()),
                "{file} uses crate::{name}, which is no layer below it"
            );
            used.entry(own.clone()).or_default().insert(name);
        }
    }
    for (own, may_use) in ALLOWED {
        for name in may_use {
            assert!(used[own].contains(*name), "{own} does not use {name} any more: tell the picture");
        }
    }
}

#[test]
fn the_picture_of_the_layers_has_no_cycle() {
    let mut below = BTreeSet::new();
    for (own, may_use) in ALLOWED {
        for name in may_use {
            assert!(below.contains(name), "{own} uses {name}, which does not come before it");
        }
        below.insert(own);
    }
}

#[test]
fn each_dependency_is_named_only_where_it_belongs() {
    for (file, source) in core_files() {
        let code = code(&source);
        for (name, owners) in OWNED {
            assert!(
                owners.contains(&file.as_str()) || !words(&code).any(|word| word == name),
                "{file} names {name}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn the_state_machine_knows_no_socket_and_no_tls() {
    for file in ["connection.rs", "connection/reader.rs", "connection/writer.rs", "outbound.rs"] {
        let code = code(&core_files()[file]);
        for name in ["net", "transport", "Transport", "tls", "socket2", "native_tls"] {
            assert!(!words(&code).any(|word| word == name), "{file} names {name}");
        }
        assert!(!code.contains("Instant::now"), "{file} reads the clock");
    }
}

#[test]
fn tungstenite_is_in_no_public_signature() {
    for (file, source) in core_files() {
        for line in code(&source).lines().map(str::trim_start) {
            let public =
                line.starts_with("pub fn") || line.starts_with("pub use") || line.starts_with("pub type");
            assert!(!public || !line.contains("tungstenite"), "{file}: {line}");
        }
    }
}

#[test]
fn clients_do_not_look_into_events_and_messages() {
    for (file, source) in core_files().into_iter().filter(|(name, _)| name.starts_with("clients/")) {
        let code = code(&source);
        assert!(!code.contains("WebSocketEvent"), "{file} names WebSocketEvent");
        assert!(!code.contains("match "), "{file} matches on something");
    }
}

#[test]
fn the_loop_is_written_once() {
    for (file, source) in core_files() {
        let code = code(&source);
        // `connection.rs` has a step with and without a question, `session.rs` passes one through, and
        // `run.rs` is the loop.
        assert!(
            ["connection.rs", "run.rs", "session.rs"].contains(&file.as_str()) || !code.contains(".step"),
            "{file} steps a connection"
        );
        if file.starts_with("clients/") || file == "session.rs" || file == "channel.rs" {
            assert!(!words(&code).any(|word| word == "loop"), "{file} has a loop of its own");
        }
    }
    for file in ["connection.rs", "run.rs", "session.rs"] {
        assert_eq!(code(&core_files()[file]).matches(".step").count(), 1, "{file}");
    }
}

#[test]
fn a_file_over_400_lines_says_why() {
    let long = BTreeMap::from(LONG_FILES);
    for (file, source) in files(&root(), "rs") {
        let lines = source.lines().count();
        match long.get(file.as_str()) {
            None => assert!(lines <= 400, "{file} has {lines} lines: split it, or say why not"),
            Some(_) => assert!(lines > 400, "{file} has only {lines} lines now: it needs no reason"),
        }
    }
}

#[test]
fn each_file_opens_with_what_it_owns() {
    for (file, source) in core_files() {
        assert!(source.starts_with("//! "), "{file} does not open with its purpose");
    }
}

/// A directory of the repository; `None` where the core is built by itself.
fn of_repository(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    path.is_dir().then_some(path)
}

#[test]
fn one_file_of_the_binding_each_names_threadsafe_functions_and_libuv() {
    let Some(binding) = of_repository("src") else { return };
    for (file, source) in files(&binding, "rs") {
        let code = code(&source);
        assert!(file == "wake.rs" || !code.contains("ThreadsafeFunction"), "{file}");
        assert!(file == "uv.rs" || !words(&code).any(|word| word == "libloading"), "{file}");
        assert!(!words(&code).any(|word| word == "tungstenite" || word == "native_tls"), "{file}");
    }
}

#[test]
fn only_native_ts_imports_the_generated_loader() {
    let Some(face) = of_repository("src-ts") else { return };
    for (file, source) in files(&face, "ts") {
        let imports_loader = source.lines().any(|line| {
            !line.trim_start().starts_with(['*', '/'])
                && (line.contains("../native") || line.contains(".node'"))
        });
        assert!(file == "native.ts" || !imports_loader, "{file} imports the generated loader");
    }
}

#[test]
fn the_command_line_uses_the_package_as_its_users_do() {
    let Some(face) = of_repository("src-ts") else { return };
    for (file, source) in files(&face, "ts") {
        let of_command_line = file.starts_with("cli/");
        for path in imported_paths(&source) {
            let allowed = if of_command_line {
                path.starts_with("node:")
                    || path.starts_with("./")
                    || ["../index", "../testing", "../../package.json"].contains(&path.as_str())
            } else {
                !path.contains("cli/")
            };
            assert!(allowed, "{file} imports {path}");
        }
        assert!(source.lines().count() <= 400, "{file} is over 400 lines: split it");
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let Some(face) = of_repository("src-ts") else { return };
    let mut imports: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, source) in files(&face, "ts") {
        let directory = file.rfind('/').map_or("", |end| &file[..=end]);
        let paths = imported_paths(&source);
        let siblings = paths.iter().filter_map(|path| path.strip_prefix("./"));
        imports.insert(file.clone(), siblings.map(|name| format!("{directory}{name}.ts")).collect());
    }
    while !imports.is_empty() {
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|_, paths| paths.iter().any(|path| left.contains(path)));
        assert!(imports.len() < left.len(), "in or above a circle of imports: {left:?}");
    }
}

/// What stands in quotes behind `from`, `import(` and `require(`.
fn imported_paths(source: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for keyword in ["from '", "import('", "require('"] {
        for (start, _) in source.match_indices(keyword) {
            let rest = &source[start + keyword.len()..];
            paths.push(rest[..rest.find('\'').unwrap()].to_owned());
        }
    }
    paths
}

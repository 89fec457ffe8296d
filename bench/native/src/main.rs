//! `s9-bench`: what the benchmarks need in native code. `npm run bench` builds and runs it.

mod feed;
mod floor;
mod frame;
mod pin;
mod scenario;
mod server;
mod stream;

use std::{env, process::ExitCode};

const USAGE: &str = "\
usage: s9-bench serve [--cpu N] [--ca-out FILE] [--frames FOLDER]   the server, on ws:// and wss://
       s9-bench floor URL --size N --wait spin|block [--measure rtt|receive] [--ca FILE] [--milliseconds N]
       s9-bench pin CPU[,CPU...] COMMAND [ARGUMENT...]   a command on these processors";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["serve", options @ ..] => Options::parse(options).and_then(|options| server::serve(&options)),
        ["floor", url, options @ ..] => {
            Options::parse(options).and_then(|options| floor::measure(url, &options))
        }
        ["pin", processors, command @ ..] if !command.is_empty() => pin::run(processors, command),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("s9-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Anything that ends a command.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// `--name value` pairs.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(words: &[&str]) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in words.chunks(2) {
            match pair {
                [name, value] if name.starts_with("--") => {
                    pairs.push((name[2..].to_owned(), (*value).to_owned()));
                }
                _ => return Err(format!("{} needs a value\n{USAGE}", pair[0]).into()),
            }
        }
        Ok(Self(pairs))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Failure> {
        self.text(name).map_or(Ok(default), |value| {
            value.parse().map_err(|_| format!("--{name} {value:?} is not a whole number").into())
        })
    }
}

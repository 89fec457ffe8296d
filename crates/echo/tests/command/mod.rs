//! The `s9-echo` command as a child process that ends with its handle.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

pub(crate) struct Command {
    child: Child,
    /// The line it printed.
    #[allow(dead_code, reason = "only one of the test files looks at it")]
    pub(crate) line: String,
    pub(crate) url: String,
}

impl Command {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_s9-echo"))
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix("listening on ").unwrap().split_whitespace().next().unwrap().to_owned();
        Self { child, line, url }
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

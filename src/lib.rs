//! Node.js bindings of `s9-websocket-core`: they convert, and decide nothing.
//!
//! JavaScript pulls. Batches of events are written into memory that JavaScript holds, and no native
//! call calls a handler, so whatever one throws never passes through here. JavaScript runs inside a
//! native call in two places, and no borrow is held in either: where options are read, whose objects
//! may have getters, and in `wake.rs`, an argument-less call from the event loop which says that there
//! is something to pull.

// `#[napi]` exports items to JavaScript, which rustc cannot see.
#![allow(unreachable_pub)]

#[cfg(feature = "count-allocations")]
mod allocations;
mod batch;
mod bound;
mod channel;
mod client;
mod clock;
mod commands;
mod connecting;
mod echo;
mod environment;
mod error;
mod event_queue;
mod join_handle;
mod logger;
mod options;
mod parts;
mod sent_text;
mod socket;
mod turns;
mod uv;
mod wake;
mod watcher;
mod wide_text;

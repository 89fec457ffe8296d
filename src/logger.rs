//! Log records of the core, to stderr or to JavaScript.

use std::{
    collections::{HashMap, VecDeque},
    env,
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use napi::{Env, bindgen_prelude::Function};
use napi_derive::napi;
use s9_websocket_core::Error;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

use crate::{
    environment::{Ending, end_with},
    error::{Result, thrown},
    wake::Wake,
};

/// Names the level of what is printed to stderr.
const VARIABLE: &str = "S9_WEBSOCKET_LOG";
/// Records kept for JavaScript; the oldest go first. At TRACE a busy event loop would otherwise
/// collect one a message without end.
const MOST_RECORDS: usize = 10_000;

static RECORDS: Mutex<Records> = Mutex::new(Records { logger: 0, wake: None, waiting: VecDeque::new() });
/// The level wanted by JavaScript and the one for stderr, as indexes of `LEVELS`.
static WANTED: AtomicU8 = AtomicU8::new(0);
static PRINTED: AtomicU8 = AtomicU8::new(0);
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

struct Records {
    /// The number of the logger set last, which no other has.
    logger: u32,
    /// Whom to tell of records; none are kept without.
    wake: Option<Wake>,
    waiting: VecDeque<NativeLogRecord>,
}

impl Records {
    fn lock() -> MutexGuard<'static, Self> {
        RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has records of this level collected for `wake` in place of the former one, which is returned: its
    /// drop takes other locks.
    fn replace(&mut self, level: u8, wake: Option<Wake>) -> Option<Wake> {
        WANTED.store(if wake.is_some() { level } else { 0 }, Ordering::SeqCst);
        self.waiting.clear();
        std::mem::replace(&mut self.wake, wake)
    }
}

/// A logger of JavaScript by its number, to be ended with its environment.
struct Logger(u32);

impl Ending for Logger {
    fn tell(&self) {
        let mut records = Records::lock();
        // Another environment may have set one since.
        if records.logger != self.0 {
            return;
        }
        let former = records.replace(0, None);
        drop(records);
        drop(former);
        tracing::callsite::rebuild_interest_cache();
    }

    fn is_over(&self) -> bool {
        Records::lock().logger != self.0
    }

    fn join(&self) {}
}

/// Something that was logged.
#[napi(object)]
pub struct NativeLogRecord {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The module that logged.
    pub target: String,
    /// What was logged.
    pub message: String,
    /// Milliseconds since the epoch.
    pub timestamp: f64,
    /// Values that belong to the message.
    pub fields: HashMap<String, String>,
}

/// Prints records to stderr if the environment asks for it. Called once, as the addon is loaded.
#[napi_derive::module_init]
fn init() {
    let Some(level) = env::var_os(VARIABLE).filter(|level| !level.is_empty()) else { return };
    let level = level.to_string_lossy();
    match index_of(&level) {
        Some(index) => {
            PRINTED.store(index, Ordering::SeqCst);
            install();
        }
        None => {
            // Not `eprintln!`: where nobody reads stderr, its panic would abort the process.
            let _ = writeln!(
                io::stderr(),
                "{VARIABLE}={level:?} is ignored: it must be one of {}",
                level_names()
            );
        }
    }
}

/// Has `wake` called when records of this level or a more important one wait; `null` ends that. The number
/// of this logger.
#[napi(catch_unwind, ts_args_type = "level: string, wake: (() => void) | null")]
pub fn set_logger(env: Env, level: String, wake: Option<Function<'_, (), ()>>) -> Result<u32> {
    let index = index_of(&level)
        .ok_or_else(|| thrown(Error::invalid("level", format_args!("{level:?}"), level_names())))?;
    let wake = wake.map(|wake| Wake::new(env, &wake)).transpose()?;
    let is_set = wake.is_some();
    let mut records = Records::lock();
    records.logger = records.logger.wrapping_add(1);
    let number = records.logger;
    let former = records.replace(index, wake);
    drop(records);
    drop(former);
    install();
    tracing::callsite::rebuild_interest_cache();
    if is_set {
        end_with(Arc::new(Logger(number)));
    }
    Ok(number)
}

/// The records that wait, for the logger of this number.
#[napi(catch_unwind)]
pub fn take_log_records(logger: u32) -> Vec<NativeLogRecord> {
    let mut records = Records::lock();
    // One that was replaced may have been about to be called.
    if records.logger == logger { records.waiting.drain(..).collect() } else { Vec::new() }
}

fn index_of(name: &str) -> Option<u8> {
    let index = LEVELS.iter().position(|(level, _)| level.eq_ignore_ascii_case(name))?;
    u8::try_from(index).ok()
}

fn level_names() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

fn level(setting: &AtomicU8) -> LevelFilter {
    // Only ever set to an index of `LEVELS`.
    LEVELS[usize::from(setting.load(Ordering::Relaxed))].1
}

/// Makes this the process's subscriber, once. Without it, a log statement is one load of an atomic.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stderr = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(Setting(&PRINTED));
        let records = Collector.with_filter(Setting(&WANTED));
        let subscriber = tracing_subscriber::registry().with(stderr).with(records);
        // Fails only if another subscriber is there already: that one then has our records.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// A level that can be changed later.
struct Setting(&'static AtomicU8);

impl<S> tracing_subscriber::layer::Filter<S> for Setting {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.level() <= &level(self.0) && metadata.target().starts_with("s9_websocket")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(level(self.0))
    }
}

/// Collects records for JavaScript.
struct Collector;

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut texts = Texts::default();
        event.record(&mut texts);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = NativeLogRecord {
            level: name_of(*event.metadata().level()).to_owned(),
            target: event.metadata().target().to_owned(),
            message: texts.message,
            timestamp: since_epoch.as_secs_f64() * 1e3,
            fields: texts.fields,
        };
        let mut records = Records::lock();
        let Records { wake: Some(wake), waiting, .. } = &mut *records else { return };
        if waiting.len() == MOST_RECORDS {
            waiting.pop_front();
        }
        waiting.push_back(record);
        wake.call();
    }
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[derive(Default)]
struct Texts {
    message: String,
    fields: HashMap<String, String>,
}

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.insert(field.name().to_owned(), format!("{value:?}"));
        }
    }
}

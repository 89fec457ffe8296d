//! The plain option objects of JavaScript as the core's options. Ranges are the core's to check.

use std::{net::IpAddr, time::Duration};

use napi::{
    JsValue, Unknown, ValueType,
    bindgen_prelude::{Array, FromNapiValue, JsObjectValue, Object, Uint8Array},
};
use napi_derive::napi;
use s9_websocket_core::{
    BlockingOptions, Error, NonBlockingOptions, PerMessageDeflateOptions, TlsOptions, TlsVersion,
};

use crate::error::{Result, napi_failure, thrown};

/// Options of one kind of client, and what only the bindings need of them.
pub(crate) struct Options<T> {
    pub(crate) core: T,
    pub(crate) handover: Handover,
}

/// How payloads are handed to JavaScript.
#[derive(Clone, Copy, Default)]
pub(crate) struct Handover {
    pub(crate) text_as_buffer: bool,
    /// The memory of a payload takes the next one once a handler has returned.
    pub(crate) reuses_buffers: bool,
}

/// Checks options without connecting.
#[napi(catch_unwind, ts_args_type = "kind: 'nonBlocking' | 'blocking' | 'async', options: object")]
pub fn check_options(kind: String, options: Object<'_>) -> Result<()> {
    if kind == "blocking" {
        blocking(&options).map(drop)
    } else {
        non_blocking(&options, kind == "async").map(drop)
    }
}

/// What both kinds of options understand; `None` for another name.
macro_rules! connection_option {
    ($options:expr, $handover:expr, $value:expr) => {{
        let (options, value) = ($options, $value);
        match value.name.as_str() {
            "spinWaitDuration" => options.spin_wait_duration(value.optional(Value::duration)?).map(Some),
            "nodelay" => Ok(Some(options.nodelay(value.boolean()?))),
            "ttl" => options.ttl(value.optional(Value::u32)?).map(Some),
            "headers" => options.headers(value.pairs()?).map(Some),
            "subprotocols" => options.subprotocols(value.strings()?).map(Some),
            "perMessageDeflate" => Ok(Some(options.per_message_deflate(per_message_deflate(value)?))),
            "connectTimeout" => options.connect_timeout(value.duration()?).map(Some),
            "closeTimeout" => options.close_timeout(value.duration()?).map(Some),
            "maxMessageSize" => options.max_message_size(value.usize()?).map(Some),
            "maxFrameSize" => options.max_frame_size(value.usize()?).map(Some),
            "maxBufferedAmount" => options.max_buffered_amount(value.usize()?).map(Some),
            "localAddress" => Ok(Some(options.local_address(value.optional(Value::address)?))),
            "keepAlive" => options.keep_alive(value.optional(Value::duration)?).map(Some),
            "receiveBufferSize" => options.receive_buffer_size(value.optional(Value::usize)?).map(Some),
            "sendBufferSize" => options.send_buffer_size(value.optional(Value::usize)?).map(Some),
            "busyPoll" => options.busy_poll(value.optional(Value::u32)?).map(Some),
            "quickAck" => Ok(Some(options.quick_ack(value.boolean()?))),
            "cpuAffinity" => options.cpu_affinity(value.optional(Value::usize)?).map(Some),
            "textFormat" => {
                $handover.text_as_buffer = value.one_of(&[("string", false), ("buffer", true)])?;
                Ok(Some(options))
            }
            "reuseBuffers" => {
                $handover.reuses_buffers = value.boolean()?;
                Ok(Some(options))
            }
            "tls" => Ok(Some(options.tls(tls(&value.object()?)?))),
            _ => Ok(None),
        }
        .map_err(thrown)?
    }};
}

/// Those of the non-blocking client; only the async one has channels.
pub(crate) fn non_blocking(given: &Object<'_>, has_channels: bool) -> Result<Options<NonBlockingOptions>> {
    let mut handover = Handover::default();
    let mut core = NonBlockingOptions::new();
    for value in values(given, "")? {
        core = match value.name.as_str() {
            "eventCapacity" if has_channels => core.event_capacity(value.usize()?).map_err(thrown)?,
            "eventCapacityBytes" if has_channels => {
                core.event_capacity_bytes(value.usize()?).map_err(thrown)?
            }
            // Who receives from a channel keeps what comes for as long as they like.
            "reuseBuffers" if has_channels => return Err(value.unknown()),
            _ => connection_option!(core, handover, &value).ok_or_else(|| value.unknown())?,
        };
    }
    Ok(Options { core, handover })
}

pub(crate) fn blocking(given: &Object<'_>) -> Result<Options<BlockingOptions>> {
    let mut handover = Handover::default();
    let mut core = BlockingOptions::new();
    for value in values(given, "")? {
        core = match value.name.as_str() {
            "readTimeout" => core.read_timeout(value.optional(Value::duration)?).map_err(thrown)?,
            "writeTimeout" => core.write_timeout(value.optional(Value::duration)?).map_err(thrown)?,
            _ => connection_option!(core, handover, &value).ok_or_else(|| value.unknown())?,
        };
    }
    Ok(Options { core, handover })
}

/// `true` offers it with all options at their defaults, `false` does not offer it.
fn per_message_deflate(given: &Value<'_>) -> Result<Option<PerMessageDeflateOptions>> {
    let mut deflate = PerMessageDeflateOptions::new();
    if given.is(ValueType::Boolean) {
        return Ok(given.boolean()?.then_some(deflate));
    }
    let object = given.object().map_err(|_| given.refused("true, false or an object of its options"))?;
    for value in values(&object, "perMessageDeflate.")? {
        deflate = match value.name.as_str() {
            "perMessageDeflate.level" => deflate.level(value.u32()?),
            "perMessageDeflate.threshold" => Ok(deflate.threshold(value.usize()?)),
            "perMessageDeflate.memLevel" => deflate.mem_level(value.u32()?),
            "perMessageDeflate.serverNoContextTakeover" => {
                Ok(deflate.server_no_context_takeover(value.boolean()?))
            }
            "perMessageDeflate.clientNoContextTakeover" => {
                Ok(deflate.client_no_context_takeover(value.boolean()?))
            }
            "perMessageDeflate.serverMaxWindowBits" => deflate.server_max_window_bits(Some(value.u32()?)),
            "perMessageDeflate.clientMaxWindowBits" => deflate.client_max_window_bits(Some(value.u32()?)),
            _ => return Err(value.unknown()),
        }
        .map_err(thrown)?;
    }
    Ok(Some(deflate))
}

fn tls(given: &Object<'_>) -> Result<TlsOptions> {
    let mut tls = TlsOptions::new();
    let (mut cert, mut key, mut pfx, mut passphrase) = (None, None, None, None);
    for value in values(given, "tls.")? {
        match value.name.as_str() {
            "tls.cert" => cert = Some(value.bytes()?),
            "tls.key" => key = Some(value.bytes()?),
            "tls.pfx" => pfx = Some(value.bytes()?),
            "tls.passphrase" => passphrase = Some(value.string()?),
            "tls.ca" => tls = tls.ca(value.bytes_list()?),
            "tls.fallbackRoots" => tls = tls.fallback_roots(value.bytes_list()?),
            "tls.servername" => tls = tls.servername(value.string()?).map_err(thrown)?,
            "tls.rejectUnauthorized" => tls = tls.reject_unauthorized(value.boolean()?),
            "tls.minVersion" => tls = tls.min_version(value.tls_version()?).map_err(thrown)?,
            "tls.maxVersion" => tls = tls.max_version(value.tls_version()?).map_err(thrown)?,
            "tls.alpnProtocols" => tls = tls.alpn_protocols(value.strings()?).map_err(thrown)?,
            _ => return Err(value.unknown()),
        }
    }
    if passphrase.is_some() && pfx.is_none() {
        return Err(thrown(Error::invalid(
            "tls.passphrase",
            "without tls.pfx",
            "that of tls.pfx; tls.key is not encrypted",
        )));
    }
    match (cert, key, pfx) {
        (None, None, None) => Ok(tls),
        (Some(cert), Some(key), None) => Ok(tls.client_certificate(cert, key)),
        (None, None, Some(archive)) => Ok(tls.pfx(archive, passphrase.unwrap_or_default())),
        (Some(_), None, None) => {
            Err(thrown(Error::invalid("tls.cert", "without tls.key", "both or neither")))
        }
        (None, Some(_), None) => {
            Err(thrown(Error::invalid("tls.key", "without tls.cert", "both or neither")))
        }
        _ => Err(thrown(Error::invalid(
            "tls.pfx",
            "beside tls.cert or tls.key",
            "one way of giving a certificate",
        ))),
    }
}

/// The options an object sets itself; `undefined` counts as not set.
fn values<'env>(given: &Object<'env>, prefix: &str) -> Result<Vec<Value<'env>>> {
    let mut values = Vec::new();
    for key in Object::keys(given).map_err(napi_failure)? {
        // The keys are those that `for … in` finds: one that every object inherits would be no option.
        if !given.has_own_property(&key).map_err(napi_failure)? {
            continue;
        }
        let value: Unknown<'env> = given.get_named_property_unchecked(&key).map_err(napi_failure)?;
        if value.get_type().map_err(napi_failure)? != ValueType::Undefined {
            values.push(Value { name: format!("{prefix}{key}"), value });
        }
    }
    Ok(values)
}

/// The value of one option.
struct Value<'env> {
    name: String,
    value: Unknown<'env>,
}

impl<'env> Value<'env> {
    fn unknown(&self) -> napi::Error<crate::error::Code> {
        thrown(Error::invalid(
            "option",
            format_args!("{:?}", self.name),
            "a documented option of this client",
        ))
    }

    fn refused(&self, allowed: &str) -> napi::Error<crate::error::Code> {
        thrown(Error::invalid(self.name.as_str(), self.shown(), allowed))
    }

    /// The value as an error may show it: never the contents of keys or passphrases.
    fn shown(&self) -> String {
        let is_secret = matches!(
            self.name.as_str(),
            "tls.key" | "tls.pfx" | "tls.passphrase" | "headers" | "subprotocols"
        );
        match self.value.get_type() {
            Ok(ValueType::String) if is_secret => "a string".into(),
            Ok(ValueType::String) => {
                self.cast::<String>().map_or("a string".into(), |text| format!("{text:?}"))
            }
            Ok(ValueType::Number) => {
                // In JavaScript's words: Infinity rather than inf.
                let text = self.value.coerce_to_string().and_then(|text| text.into_utf8());
                text.and_then(|text| text.into_owned()).unwrap_or_else(|_| "a number".into())
            }
            Ok(ValueType::Boolean) => self.cast::<bool>().map_or("a boolean".into(), |flag| flag.to_string()),
            Ok(ValueType::Null) => "null".into(),
            Ok(kind) => format!("a value of type {}", kind.to_string().to_lowercase()),
            Err(_) => "an unreadable value".into(),
        }
    }

    fn cast<T: FromNapiValue>(&self) -> Option<T> {
        let Value { value, .. } = self;
        // SAFETY: the value belongs to the scope of the call that this option was given in.
        unsafe { T::from_napi_value(value.value().env, value.raw()) }.ok()
    }

    fn is(&self, kind: ValueType) -> bool {
        self.value.get_type().is_ok_and(|given| given == kind)
    }

    /// `null` is `None`.
    fn optional<T>(&self, read: impl FnOnce(&Self) -> Result<T>) -> Result<Option<T>> {
        if self.is(ValueType::Null) { Ok(None) } else { read(self).map(Some) }
    }

    fn boolean(&self) -> Result<bool> {
        let given = self.is(ValueType::Boolean).then(|| self.cast()).flatten();
        given.ok_or_else(|| self.refused("true or false"))
    }

    fn string(&self) -> Result<String> {
        let given = self.is(ValueType::String).then(|| self.cast()).flatten();
        given.ok_or_else(|| self.refused("a string"))
    }

    fn number(&self) -> Result<f64> {
        let given: Option<f64> = self.is(ValueType::Number).then(|| self.cast()).flatten();
        given.ok_or_else(|| self.refused("a number"))
    }

    fn duration(&self) -> Result<Duration> {
        Duration::try_from_secs_f64(self.number()? / 1e3)
            .map_err(|_| self.refused("milliseconds, more than 0 and at most 86400000"))
    }

    fn usize(&self) -> Result<usize> {
        let number = self.number()?;
        if number.fract() != 0.0 || !(0.0..=9_007_199_254_740_991.0).contains(&number) {
            return Err(self.refused("a whole number, not negative"));
        }
        // Checked just above.
        Ok(number as usize)
    }

    fn u32(&self) -> Result<u32> {
        u32::try_from(self.usize()?).map_err(|_| self.refused("a whole number below 2 to the 32"))
    }

    fn address(&self) -> Result<IpAddr> {
        self.string()?.parse().map_err(|_| self.refused("an IPv4 or IPv6 address"))
    }

    fn one_of<T: Copy>(&self, allowed: &[(&str, T)]) -> Result<T> {
        let given: Option<String> = self.is(ValueType::String).then(|| self.cast()).flatten();
        let found = given.and_then(|given| allowed.iter().find(|(name, _)| *name == given));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = allowed.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.refused(&names.join(" or "))
        })
    }

    fn tls_version(&self) -> Result<TlsVersion> {
        let versions = [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12, TlsVersion::Tls13];
        let names = versions.map(|version| version.to_string());
        let named: Vec<_> = names.iter().map(String::as_str).zip(versions).collect();
        self.one_of(&named)
    }

    fn object(&self) -> Result<Object<'env>> {
        let given = self.is(ValueType::Object).then(|| self.cast()).flatten();
        given.ok_or_else(|| self.refused("an object"))
    }

    fn elements(&self, allowed: &str) -> Result<Vec<Value<'env>>> {
        let array: Array<'env> = self.cast().ok_or_else(|| self.refused(allowed))?;
        (0..array.len())
            .map(|index| {
                let value = array.get_element(index).map_err(napi_failure)?;
                Ok(Value { name: self.name.clone(), value })
            })
            .collect()
    }

    fn strings(&self) -> Result<Vec<String>> {
        let allowed = "an array of strings";
        let elements = self.elements(allowed)?;
        elements.iter().map(|element| element.string().map_err(|_| element.refused(allowed))).collect()
    }

    /// A string or bytes.
    fn bytes(&self) -> Result<Vec<u8>> {
        if self.is(ValueType::String) {
            return self.string().map(String::into_bytes);
        }
        let given: Option<Uint8Array> = self.cast();
        given.map(|bytes| bytes.to_vec()).ok_or_else(|| self.refused("a string or a Uint8Array"))
    }

    /// One or several of [`bytes`](Self::bytes).
    fn bytes_list(&self) -> Result<Vec<Vec<u8>>> {
        match self.bytes() {
            Ok(one) => Ok(vec![one]),
            Err(_) => self
                .elements("a string, a Uint8Array, or an array of them")?
                .iter()
                .map(Value::bytes)
                .collect(),
        }
    }

    /// The pairs of an object whose values are strings or arrays of strings.
    fn pairs(&self) -> Result<Vec<(String, String)>> {
        let allowed = "an object of strings or arrays of strings";
        let mut pairs = Vec::new();
        for field in values(&self.object().map_err(|_| self.refused(allowed))?, "")? {
            let values = if field.is(ValueType::String) {
                field.string().map(|one| vec![one])
            } else {
                field.strings()
            };
            for value in values.map_err(|_| self.refused(allowed))? {
                pairs.push((field.name.clone(), value));
            }
        }
        Ok(pairs)
    }
}

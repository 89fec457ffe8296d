//! Both directions of one connection's compression: its state, made when first needed and reused.

use bytes::Bytes;

use super::{
    deflater::Deflater, inflater::Inflater, negotiation::PerMessageDeflateAgreement,
    options::PerMessageDeflateOptions, output::Output,
};
use crate::{
    error::{Error, Result},
    event::MessageKind,
};

/// What zlib cannot compress for: it has no window of 256 bytes, and one of 512 would refer to bytes
/// that the peer's inflater no longer has.
const IMPOSSIBLE_WINDOW: u8 = 8;

pub(crate) struct Codec {
    options: PerMessageDeflateOptions,
    agreed: PerMessageDeflateAgreement,
    inflater: Option<Inflater>,
    deflater: Option<Deflater>,
    output: Output,
}

impl Codec {
    pub(crate) fn new(options: PerMessageDeflateOptions, agreed: PerMessageDeflateAgreement) -> Self {
        Self { options, agreed, inflater: None, deflater: None, output: Output::new() }
    }

    /// The message that was received as `received`; `compressed` says that it is compressed, and what
    /// it then is.
    ///
    /// After an error nothing more can be inflated.
    pub(crate) fn open(
        &mut self,
        received: (MessageKind, Bytes),
        compressed: Option<MessageKind>,
        limit: usize,
    ) -> Result<(MessageKind, Bytes)> {
        let Some(kind) = compressed else {
            let size = received.1.len();
            return if size > limit { Err(Error::MessageTooLarge { size, limit }) } else { Ok(received) };
        };
        let inflater = self.inflater.get_or_insert_with(Inflater::new);
        let message = inflater.inflate(&received.1, &mut self.output, limit)?;
        if kind == MessageKind::Text && str::from_utf8(&message).is_err() {
            return Err(Error::InvalidUtf8);
        }
        Ok((kind, message))
    }

    /// The payload to be sent compressed for a message; `None` if it is to be sent as it is.
    ///
    /// What this returns must be sent, in order: the peer follows the context.
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Option<Bytes> {
        // RFC 7692, section 6: a sender is free to compress a message or not. An empty one has
        // nothing to compress.
        let is_worth_it = message.len() >= self.options.threshold.max(1);
        if !is_worth_it || self.agreed.client_max_window_bits == IMPOSSIBLE_WINDOW {
            return None;
        }
        let deflater = self.deflater.get_or_insert_with(|| Deflater::new(&self.options, &self.agreed));
        deflater.deflate(message, &mut self.output)
    }
}

//! permessage-deflate (RFC 7692): what is offered and agreed on, which messages of a stream are
//! compressed, and the two codecs. Names no tungstenite; the connection has the one seam to it.

mod codec;
mod deflater;
mod inbound;
mod inflater;
mod negotiation;
mod options;
mod output;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    codec::Codec,
    inbound::Inbound,
    negotiation::{agree, offer},
};
pub use self::{negotiation::PerMessageDeflateAgreement, options::PerMessageDeflateOptions};

//! The offer of permessage-deflate and the check of the answer (RFC 7692, sections 5 and 7.1).

use std::fmt;

use super::options::PerMessageDeflateOptions;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window where nothing is said about it.
const LARGEST_WINDOW: u8 = 15;

/// What both sides agreed on; shown as the header field would say it.
///
/// ```
/// use s9_websocket_core::PerMessageDeflateAgreement;
///
/// let agreed = PerMessageDeflateAgreement { server_max_window_bits: 12, ..Default::default() };
/// assert_eq!(agreed.to_string(), "permessage-deflate; server_max_window_bits=12");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflateAgreement {
    /// Whether the server compresses each message by itself.
    pub server_no_context_takeover: bool,
    /// Whether the client compresses each message by itself.
    pub client_no_context_takeover: bool,
    /// The server looks back at most 2 to this many bytes, 8 to 15.
    pub server_max_window_bits: u8,
    /// The client looks back at most 2 to this many bytes, 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for PerMessageDeflateAgreement {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: LARGEST_WINDOW,
            client_max_window_bits: LARGEST_WINDOW,
        }
    }
}

impl fmt::Display for PerMessageDeflateAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        for (agreed, name) in [
            (self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ] {
            if agreed {
                write!(f, "; {name}")?;
            }
        }
        for (bits, name) in [
            (self.server_max_window_bits, SERVER_MAX_WINDOW_BITS),
            (self.client_max_window_bits, CLIENT_MAX_WINDOW_BITS),
        ] {
            if bits != LARGEST_WINDOW {
                write!(f, "; {name}={bits}")?;
            }
        }
        Ok(())
    }
}

/// The value of the header field that offers it.
pub(crate) fn offer(options: &PerMessageDeflateOptions) -> String {
    let mut offer = NAME.to_owned();
    if options.server_no_context_takeover {
        offer += "; ";
        offer += SERVER_NO_CONTEXT_TAKEOVER;
    }
    if options.client_no_context_takeover {
        offer += "; ";
        offer += CLIENT_NO_CONTEXT_TAKEOVER;
    }
    if let Some(bits) = options.server_max_window_bits {
        offer += &format!("; {SERVER_MAX_WINDOW_BITS}={bits}");
    }
    // Without a value it says that the server may choose one (RFC 7692, section 7.1.2.2).
    offer += "; ";
    offer += CLIENT_MAX_WINDOW_BITS;
    if let Some(bits) = options.client_max_window_bits {
        offer += &format!("={bits}");
    }
    offer
}

/// What the values of the answer's header fields agree to, or why they cannot be agreed with.
pub(crate) fn agree<'a>(
    answer: impl IntoIterator<Item = &'a [u8]>,
    offered: Option<&PerMessageDeflateOptions>,
) -> Result<Option<PerMessageDeflateAgreement>, String> {
    let mut agreed = None;
    for value in answer {
        let malformed =
            || format!("Sec-WebSocket-Extensions is malformed: {:?}", String::from_utf8_lossy(value));
        let value = str::from_utf8(value).map_err(|_| malformed())?;
        for Extension { name, parameters } in Extension::parse_list(value).ok_or_else(malformed)? {
            let Some(options) = offered.filter(|_| name == NAME) else {
                return Err(format!("the server chose the extension {name:?}, which was not offered"));
            };
            if agreed.is_some() {
                return Err(format!("the server chose {NAME} more than once"));
            }
            agreed = Some(check(&parameters, options)?);
        }
    }
    Ok(agreed)
}

/// Checks the parameters of the answer against those offered.
fn check(
    parameters: &[Parameter<'_>],
    offered: &PerMessageDeflateOptions,
) -> Result<PerMessageDeflateAgreement, String> {
    let mut agreed = PerMessageDeflateAgreement::default();
    let mut server_window = None;
    for (index, parameter) in parameters.iter().enumerate() {
        if parameters[..index].iter().any(|earlier| earlier.name == parameter.name) {
            return Err(format!("the server gave {} of {NAME} more than once", parameter.name));
        }
        match parameter.name {
            SERVER_NO_CONTEXT_TAKEOVER => agreed.server_no_context_takeover = parameter.flag()?,
            CLIENT_NO_CONTEXT_TAKEOVER => agreed.client_no_context_takeover = parameter.flag()?,
            SERVER_MAX_WINDOW_BITS => {
                let most = offered.server_max_window_bits.unwrap_or(LARGEST_WINDOW);
                server_window = Some(parameter.window(most)?);
            }
            CLIENT_MAX_WINDOW_BITS => {
                agreed.client_max_window_bits = parameter.window(LARGEST_WINDOW)?;
            }
            other => {
                return Err(format!(
                    "the server gave {NAME} the parameter {other:?}, which it does not have"
                ));
            }
        }
    }
    // RFC 7692, sections 7.1.1.1 and 7.1.2.1: a server accepts these by answering with them.
    let dropped = if offered.server_no_context_takeover && !agreed.server_no_context_takeover {
        Some(SERVER_NO_CONTEXT_TAKEOVER)
    } else if offered.server_max_window_bits.is_some() && server_window.is_none() {
        Some(SERVER_MAX_WINDOW_BITS)
    } else {
        None
    };
    if let Some(name) = dropped {
        return Err(format!("the server accepted {NAME} without {name}, which was asked for"));
    }
    agreed.server_max_window_bits = server_window.unwrap_or(LARGEST_WINDOW);
    // What a client says of itself holds whether the server repeats it or not. A server may name a
    // larger window, which is then what it would allow (RFC 7692, section 7.1.2.2).
    agreed.client_no_context_takeover |= offered.client_no_context_takeover;
    if let Some(bits) = offered.client_max_window_bits {
        agreed.client_max_window_bits = agreed.client_max_window_bits.min(bits);
    }
    Ok(agreed)
}

/// An element of the header field (RFC 6455, section 9.1).
struct Extension<'a> {
    name: &'a str,
    parameters: Vec<Parameter<'a>>,
}

struct Parameter<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Parameter<'_> {
    fn flag(&self) -> Result<bool, String> {
        match self.value {
            None => Ok(true),
            Some(value) => {
                Err(format!("the server gave {} of {NAME} the value {value:?}, it takes none", self.name))
            }
        }
    }

    /// A window of 8 to `most` bits, in decimal without a leading zero (RFC 7692, section 7.1.2).
    fn window(&self, most: u8) -> Result<u8, String> {
        let value = self.value.unwrap_or_default();
        let bits = value.parse().ok().filter(|bits| (8..=most).contains(bits) && bits.to_string() == value);
        bits.ok_or_else(|| {
            format!("the server gave {} of {NAME} the value {value:?}, allowed are 8 to {most}", self.name)
        })
    }
}

impl<'a> Extension<'a> {
    /// The elements of a list; `None` if it is malformed.
    fn parse_list(list: &'a str) -> Option<Vec<Self>> {
        let mut rest = list;
        let mut extensions = Vec::new();
        loop {
            // RFC 9110, section 5.6.1.2: empty elements are to be ignored.
            while take(&mut rest, ',') {}
            if rest.is_empty() {
                return Some(extensions);
            }
            let name = token(&mut rest)?;
            let mut parameters = Vec::new();
            while take(&mut rest, ';') {
                let name = token(&mut rest)?;
                let value = if take(&mut rest, '=') { Some(value(&mut rest)?) } else { None };
                parameters.push(Parameter { name, value });
            }
            extensions.push(Self { name, parameters });
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
    }
}

/// Takes this character, and spaces and tabs on both sides of it, if it comes next.
fn take(rest: &mut &str, character: char) -> bool {
    let blank = [' ', '\t'];
    *rest = rest.trim_start_matches(blank);
    match rest.strip_prefix(character) {
        Some(after) => {
            *rest = after.trim_start_matches(blank);
            true
        }
        None => false,
    }
}

/// Takes a token (RFC 9110, section 5.6.2).
fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let is_token =
        |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    let end = rest.find(|character| !is_token(character)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    (!token.is_empty()).then_some(token)
}

/// Takes a token, or one in quotes: RFC 6455, section 9.1, allows nothing else in them.
fn value<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let Some(quoted) = rest.strip_prefix('"') else { return token(rest) };
    *rest = quoted;
    let token = token(rest)?;
    *rest = rest.strip_prefix('"')?;
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(
        answer: &str,
        offered: &PerMessageDeflateOptions,
    ) -> Result<Option<PerMessageDeflateAgreement>, String> {
        agree([answer.as_bytes()], Some(offered))
    }

    fn accepted(answer: &str, offered: &PerMessageDeflateOptions) -> String {
        answered(answer, offered).expect("must be accepted").expect("must be agreed on").to_string()
    }

    fn refused(answer: &str, offered: &PerMessageDeflateOptions) -> String {
        answered(answer, offered).expect_err(answer)
    }

    fn plain() -> PerMessageDeflateOptions {
        PerMessageDeflateOptions::new()
    }

    fn windows(server: Option<u32>, client: Option<u32>) -> PerMessageDeflateOptions {
        let options = plain().server_max_window_bits(server).expect("a valid window");
        options.client_max_window_bits(client).expect("a valid window")
    }

    #[test]
    fn an_offer_names_what_is_asked_for_and_lets_the_server_choose_our_window() {
        assert_eq!(offer(&plain()), "permessage-deflate; client_max_window_bits");
        let everything =
            windows(Some(8), Some(9)).server_no_context_takeover(true).client_no_context_takeover(true);
        assert_eq!(
            offer(&everything),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=8; client_max_window_bits=9"
        );
    }

    #[test]
    fn no_answer_is_no_agreement() {
        assert_eq!(agree([], Some(&plain())), Ok(None));
        assert_eq!(agree([], None), Ok(None));
        assert_eq!(answered(" , ,", &plain()), Ok(None));
    }

    #[test]
    fn a_server_may_answer_with_what_the_rfc_lets_it_choose() {
        for (answer, agreed) in [
            ("permessage-deflate", "permessage-deflate"),
            (", permessage-deflate ,", "permessage-deflate"),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ),
            (
                "permessage-deflate;server_max_window_bits=8;client_max_window_bits=\"12\"",
                "permessage-deflate; server_max_window_bits=8; client_max_window_bits=12",
            ),
            (
                "permessage-deflate\t; \tserver_max_window_bits = 15 ; client_max_window_bits=8",
                "permessage-deflate; client_max_window_bits=8",
            ),
        ] {
            assert_eq!(accepted(answer, &plain()), agreed, "{answer}");
        }
        let split = [&b""[..], b"permessage-deflate; client_max_window_bits=10"];
        assert_eq!(agree(split, Some(&plain())).expect("valid").expect("agreed").client_max_window_bits, 10);
    }

    #[test]
    fn what_the_client_says_of_itself_holds_whatever_the_server_allows() {
        let offered = windows(None, Some(10)).client_no_context_takeover(true);
        assert_eq!(
            accepted("permessage-deflate", &offered),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=10"
        );
        for (allowed, agreed) in [(9, 9), (10, 10), (11, 10)] {
            let answer = format!("permessage-deflate; client_max_window_bits={allowed}");
            let expected =
                format!("permessage-deflate; client_no_context_takeover; client_max_window_bits={agreed}");
            assert_eq!(accepted(&answer, &offered), expected);
        }
    }

    #[test]
    fn an_extension_nobody_asked_for_is_refused() {
        let unasked = "the server chose the extension \"permessage-deflate\", which was not offered";
        assert_eq!(agree([&b"permessage-deflate"[..]], None), Err(unasked.into()));
        assert!(refused("x-webkit-deflate-frame", &plain()).contains("\"x-webkit-deflate-frame\""));
        assert!(refused("permessage-deflate, mux; a=1", &plain()).contains("\"mux\""));
        assert!(refused("Permessage-Deflate", &plain()).contains("not offered"), "names are case-sensitive");
    }

    #[test]
    fn an_answer_that_was_not_offered_or_leaves_out_what_was_is_refused() {
        for (answer, offered, reason) in [
            ("permessage-deflate; mux", plain(), "\"mux\""),
            ("permessage-deflate; server_max_window_bits=11", windows(Some(10), None), "allowed are 8 to 10"),
            ("permessage-deflate", windows(Some(10), None), "without server_max_window_bits"),
            (
                "permessage-deflate; client_no_context_takeover",
                plain().server_no_context_takeover(true),
                "without server_no_context_takeover",
            ),
        ] {
            let text = refused(answer, &offered);
            assert!(text.contains(reason), "{answer}: {text}");
        }
    }

    #[test]
    fn a_repeated_malformed_or_out_of_range_answer_is_refused() {
        for (parameters, reason) in [
            (", permessage-deflate", "permessage-deflate more than once"),
            ("; server_no_context_takeover; server_no_context_takeover", "more than once"),
            ("; server_max_window_bits=9; server_max_window_bits=9", "more than once"),
            ("; server_no_context_takeover=1", "takes none"),
            ("; client_no_context_takeover=true", "takes none"),
            ("; server_max_window_bits", "allowed are 8 to 15"),
            ("; client_max_window_bits", "allowed are 8 to 15"),
            ("; server_max_window_bits=7", "allowed are 8 to 15"),
            ("; server_max_window_bits=16", "allowed are 8 to 15"),
            ("; server_max_window_bits=08", "allowed are 8 to 15"),
            ("; server_max_window_bits=+9", "allowed are 8 to 15"),
            ("; client_max_window_bits=x", "allowed are 8 to 15"),
            ("; client_max_window_bits=99999999999999999999", "allowed are 8 to 15"),
            ("; server_max_window_bits=", "malformed"),
            ("; server_max_window_bits=\"", "malformed"),
            ("; server_max_window_bits=\"9", "malformed"),
            ("; server_max_window_bits=\"9 \"", "malformed"),
            (";", "malformed"),
            ("; ;", "malformed"),
            (" server_no_context_takeover", "malformed"),
            ("; =9", "malformed"),
            ("é", "malformed"),
        ] {
            let answer = format!("permessage-deflate{parameters}");
            let text = refused(&answer, &plain());
            assert!(text.contains(reason), "{answer}: {text}");
        }
        assert!(agree([&b"permessage-deflate\xff"[..]], Some(&plain())).is_err());
    }
}

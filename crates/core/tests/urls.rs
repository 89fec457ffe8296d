//! URLs that are refused before anything is sent, with a reason that gives no secret away.
#![allow(clippy::unwrap_used)]

use s9_websocket_core::{ErrorCode, NonBlockingOptions, S9NonBlockingWebSocketClient};

#[test]
fn refused_urls_say_why_and_tell_no_secret() {
    for (url, expected) in [
        ("http://me:hunter2@h", "only ws and wss"),
        ("https://me:hunter2@h", "only ws and wss"),
        ("alice:hunter2@h", "does not begin with ws://"),
        ("h:8080", "does not begin with ws://"),
        ("ws://me:hunter2@", "empty host"),
        ("ws://me:hunter2@h:99999", "invalid port"),
        ("ws://me:hunter2@h:0", "the port is 0"),
        ("ws://me:hunter2/@h:x", "invalid port"),
        ("ws://me:hunter2@h/#f", "fragment"),
        ("ws://me%3A:hunter2@h", "colon"),
        ("ws:///h", "the host is empty"),
        ("ws:h", "the host is empty"),
        ("ws://", "empty host"),
        ("/hunter2@path", "relative URL"),
        ("ws://h/\r\nX-Evil: 1", "control character"),
        ("", "relative URL"),
        ("ws://h:0/ws/hunter2?alice", "\"ws://h:0/\u{2026}\""),
        ("ws://h/?token=hunter2#", "\"ws://h/\u{2026}\""),
        ("h:8080/alice?token=hunter2", "\"h:8080\u{2026}\""),
        ("ws:h?user=me@h&token=hunter2", "\"ws://h/\u{2026}\""),
        ("ws://h:x?alice=me@h&token=hunter2", "\"ws://\u{2026}\""),
        ("wss//h?token=hunter2", "\"wss//h\u{2026}\""),
        ("alice@h//hunter2", "\"\u{2026}\""),
        ("ws://h:0", "\"ws://h:0/\""),
    ] {
        let error =
            S9NonBlockingWebSocketClient::connect(url, NonBlockingOptions::new()).map(drop).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidUri, "{url}");
        let text = error.to_string();
        assert!(text.contains(expected), "{url}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("alice"), "{text}");
    }
}

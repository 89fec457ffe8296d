// The texts of --help. Each fits a screen of 24 lines and 80 columns; a test counts.

export const HELP = {
  talk: `\
s9ws URL [OPTIONS]     talk to a WebSocket server; lines of standard input are
                       messages, in a terminal with a prompt (there: /help)
s9ws bench [URL]       measure round trips; s9ws bench --help
s9ws serve             run an echo server; s9ws serve --help

  -H, --header 'NAME: VALUE'   -s, --subprotocol NAME    add to the request
      --ca FILE, --cert FILE, --key FILE, -k, --insecure    TLS; PEM files
  -z, --compress         offer compression (permessage-deflate)
      --client NAME      async (default), non-blocking or blocking
      --send TEXT        send at once      --send-binary DATA   the same, binary
  -b, --binary FORMAT    how binary data is written: hex (default) or base64
      --binary-lines     lines of standard input are binary messages
  -n, --no-input         do not read standard input
      --ping SECONDS     ping this often and show the round trips
  -c, --count N          close after N messages
  -t, --timeout SECONDS  close after this time
      --json             print one event a line, as JSON
      --timestamps       begin each line with the time
  -q, --quiet            print messages and errors only
  -h, --help             -V, --version

-H, -s, --send, --send-binary can be repeated. Exit codes: 0 done, 2 usage, 3 no
connection, 4 upgrade refused, 5 failed, 6 fewer than N messages.
`,
  bench: `\
s9ws bench [URL] [OPTIONS]   measure round trips, one at a time

Every client of s9-websocket, and ws where it is installed, in turn. Without a
URL an echo server is started. Prints percentiles and a histogram.

      --measure WHAT     what goes there and back: ping, which every server
                         answers (default with a URL), or a text or binary
                         message, which an echo server sends back (default
                         without)
      --size BYTES       of the message (default 64) or the ping (default 8)
      --seconds N        for each client (default 2), in three rounds
      --client NAME      async, non-blocking, blocking or ws; can be repeated
      --svg FILE         write the percentiles as a chart
      --json             print one client a line, as JSON
  -H, --header 'NAME: VALUE'   -s, --subprotocol NAME    add to the request
      --ca FILE, --cert FILE, --key FILE, -k, --insecure    TLS; PEM files
  -z, --compress         offer compression (permessage-deflate)
  -h, --help

Without a URL also: --tls, for an echo server over wss://.
`,
  serve: `\
s9ws serve [OPTIONS]   run an echo server on the loopback interface

Prints its URL and sends every message back until Ctrl-C.

      --port N           where to listen; a free port if left out
      --tls              wss://, with a certificate made for this server
      --ca-out FILE      where to write that certificate, for --ca of a client
  -h, --help
`,
} as const;

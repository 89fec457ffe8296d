"""The fuzzing server of the Autobahn testsuite, as `adapt.py` has made it.

`python3 fuzzing_server.py REPORTS CASES...` listens on a free port of the loopback interface, prints
`{"port": …, "cases": […]}`, and once its standard input ends writes its reports and leaves.
"""

import codecs
import json
import os
import sys
import threading
import time

import txaio
from twisted.internet import selectreactor

selectreactor.install()
txaio.use_twisted()

from autobahn.websocket import protocol
from autobahntestsuite import fuzzing
from autobahntestsuite.octets import octets
from twisted.internet import reactor
from twisted.python import log

# Seconds of work between two waits that count as time.
COUNTED_WORK = 0.01


class Clock:
    """Time as the server's timers see it: only while the server waits for its peers.

    Some cases keep it busy for a second and more, in which the answers of others pile up unread.
    """

    def __init__(self):
        self.wait = selectreactor._select
        self.time = 0.0
        self.waited_until = time.monotonic()

    def seconds(self):
        return self.time + min(time.monotonic() - self.waited_until, COUNTED_WORK)

    def select(self, *arguments):
        self.time = self.seconds()
        began = time.monotonic()
        ready = self.wait(*arguments)
        self.waited_until = time.monotonic()
        self.time += self.waited_until - began
        return ready


clock = Clock()
selectreactor._select = clock.select
reactor.seconds = clock.seconds


class XorMasker:
    """autobahn's own goes byte by byte: minutes for the large messages."""

    def __init__(self, mask):
        self.mask = mask
        self.at = 0

    def pointer(self):
        return self.at

    def process(self, data):
        length = len(data)
        turned = self.at % 4
        mask = (self.mask[turned:] + self.mask[:turned]) * (length // 4 + 1)
        self.at += length
        masked = int.from_bytes(data, "little") ^ int.from_bytes(mask[:length], "little")
        return masked.to_bytes(length, "little")


class Utf8Validator:
    """autobahn's own goes byte by byte, too."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.total = 0

    def validate(self, data):
        try:
            self.decoder.decode(data)
        except UnicodeDecodeError as error:
            return False, False, error.start, self.total + error.start
        self.total += len(data)
        return True, not self.decoder.getstate()[0], len(data), self.total


protocol.createXorMasker = lambda mask, length=None: XorMasker(mask)
protocol.Utf8Validator = Utf8Validator


def text(data):
    return data.decode("latin-1") if isinstance(data, bytes) else data


class Protocol(fuzzing.FuzzingServerProtocol):
    """The border between the suite's octets in a `str` and autobahn's `bytes`."""

    def sendFrame(self, opcode, payload=b"", **options):
        super().sendFrame(opcode, octets(payload), **options)

    def sendMessage(self, payload, *arguments, **options):
        super().sendMessage(octets(payload), *arguments, **options)

    def sendMessageFrameData(self, payload, sync=False):
        return super().sendMessageFrameData(octets(payload), sync)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)
        self.localCloseReason = text(self.localCloseReason)

    def onMessage(self, msg, binary):
        super().onMessage(text(msg), binary)

    def onPing(self, payload):
        super().onPing(text(payload))

    def sendPong(self, payload=None):
        super().sendPong(octets(payload))

    def onPong(self, payload):
        super().onPong(text(payload))

    def logRxFrame(self, frameHeader, payload):
        super().logRxFrame(frameHeader, [text(b"".join(payload))])

    def logTxFrame(self, frameHeader, payload, *arguments):
        super().logTxFrame(frameHeader, text(payload), *arguments)


class Factory(fuzzing.FuzzingServerFactory):
    protocol = Protocol


def finish(factory, deadline):
    """Writes the reports, once the last connections are over."""
    if factory.getConnectionCount() > 0 and time.monotonic() < deadline:
        reactor.callLater(0.02, finish, factory, deadline)
        return
    factory.createReports()
    reactor.stop()


def main(reports, cases):
    # The first line alone is for the caller; what the suite prints goes to the log.
    output, sys.stdout = sys.stdout, sys.stderr
    log.startLogging(sys.stderr, setStdout=False)
    factory = Factory({"url": "ws://127.0.0.1:1", "outdir": reports, "cases": cases})
    unknown = [case for case in factory.specCases if case not in factory.CaseSet.CasesById]
    if unknown or not factory.specCases:
        raise SystemExit(f"no such case: {' '.join(unknown or cases)}")
    factory.setProtocolOptions(openHandshakeTimeout=30)
    listener = reactor.listenTCP(0, factory, backlog=64, interface="127.0.0.1")
    factory.externalPort = listener.getHost().port
    json.dump({"port": factory.externalPort, "cases": factory.specCases}, output)
    print(file=output, flush=True)

    def wait_for_end():
        sys.stdin.buffer.read()
        reactor.callFromThread(finish, factory, time.monotonic() + 10)

    threading.Thread(target=wait_for_end, daemon=True).start()
    reactor.run()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2:])

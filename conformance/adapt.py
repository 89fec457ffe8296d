"""Makes the Autobahn testsuite and the autobahn it is written for, both Python 2 code, run on Python 3.

`python3 adapt.py FOLDER` edits the packages installed in FOLDER in place. A byte string of Python 2
becomes a `str` of one code point an octet (latin-1); `fuzzing_server.py` converts at the border to
autobahn. Only what the fuzzing server needs is kept.
"""

import pathlib
import re
import shutil
import sys

LATIN_1 = "latin-1"

# What the suite's modules import in place of `binascii` and `pkg_resources`.
OCTETS = '''"""Byte strings as `str` of one code point an octet, as the adapted testsuite has them."""

import binascii
import os


def octets(text):
    return text.encode("latin-1") if isinstance(text, str) else text


def b2a_hex(data):
    return binascii.b2a_hex(octets(data)).decode("ascii")


hexlify = b2a_hex


def resource_filename(package, name):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
'''

# Applied to every module of the suite that is kept, wherever they match.
GENERAL = [
    (r"^( *)print$", r"\1print()"),
    (r"^( *)print (.+)$", r"\1print(\2)"),
    (r"([\w.]+(?:\[\w+\])?)\.has_key\(([^()]+)\)", r"(\2 in \1)"),
    (r"\bxrange\b", "range"),
    (r"^from (case\w*|report) import", r"from .\1 import"),
    (r"^import binascii$", "from autobahntestsuite import octets as binascii"),
    # No consistent order of bases: `object` is one of Case's own.
    (r"\(object, Case, \)", "(Case, )"),
]

# (file, pattern, replacement): each must match, or the packages are not the ones this was written for.
SPECIFIC = [
    ("__init__.py", r"^import choosereactor[\s\S]*", ""),
    ("__init__.py", r"^from _version", "from ._version"),
    ("caseset.py", r"'\\\.'", r"r'\\.'"),
    ("report.py", r"^import jinja2$", ""),
    ("report.py", r"^REPORT_DIR_PERMISSIONS[\s\S]*", ""),
    # Unused, and written for interfaces that zope.interface no longer has.
    ("case/__init__.py", r"^from \.case9_9_1 import \*$", ""),
    # Pickles of equal objects differ where Python 3 has interned a string.
    ("case/case.py", r"pickle\.dumps\((\w+)\) == pickle\.dumps\((\w+)\)", r"\1 == \2"),
    ("case/case6_x_x.py", r"v\.validate\(vss\[:i\]\)", "v.validate(binascii.octets(vss[:i]))"),
    ("case/case10_1_1.py", r"len\(self\.payload\) / ", "len(self.payload) // "),
    ("case/case12_x_x.py", r"^import copy.*$", "import copy, os, hashlib\n"
     "from autobahntestsuite import octets as binascii, octets as pkg_resources"),
    ("case/case12_x_x.py", r"= open\(fn, 'rb'\)\.read\(\)", "= open(fn, encoding = 'latin-1', newline = '').read()"),
    ("case/case12_x_x.py", r"(\w+)\.decode\('utf-8'\)", r"binascii.octets(\1).decode('utf-8')"),
    ("case/case12_x_x.py", r"msg\.encode\('utf-8'\)", "msg.encode('utf-8').decode('latin-1')"),
    ("case/case12_x_x.py", r"m\.update\(msg\)", "m.update(binascii.octets(msg))"),
    ("fuzzing.py", r"^import os, json.*$", "import os, json, time, textwrap\n"
     "from autobahntestsuite import octets as binascii"),
    ("fuzzing.py", r"^from twisted\.internet import reactor, ssl$", "from twisted.internet import reactor"),
    ("fuzzing.py", r"^from twisted\.web.*$", ""),
    ("fuzzing.py", r"return dd\.decode\('utf8',", "return binascii.octets(dd).decode('utf8',"),
    ("fuzzing.py", r"\.encode\((['\"])utf-?8\1\)\)", ".encode('utf8').decode('latin-1'))"),
    # Reports hold octets of messages as they are, which browsers then read as UTF-8.
    ("fuzzing.py", r"open\((.+), 'w'\)", r"open(\1, 'w', encoding = 'latin-1', errors = 'xmlcharrefreplace')"),
    ("fuzzing.py", r"self\.http_request_data if", "self.http_request_data.decode('latin-1') if"),
]

AUTOBAHN = [
    ("websocket/protocol.py", r"range\(payload_len / len\(payload\)\)", "range(payload_len // len(payload))"),
]

KEPT = ["__init__.py", "_version.py", "caseset.py", "fuzzing.py", "report.py"]


def edit(path, edits):
    text = path.read_text(encoding=LATIN_1)
    for pattern, replacement, is_needed in edits:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if is_needed and count == 0:
            raise SystemExit(f"{path} has nothing that matches {pattern!r}: not the version that adapt.py is for")
    path.write_text(text, encoding=LATIN_1)


def specific(edits, package, path):
    name = path.relative_to(package).as_posix()
    return [(pattern, replacement, True) for file, pattern, replacement in edits if file == name]


def adapt_suite(package):
    for path in package.iterdir():
        if path.is_dir() and path.name not in ("case", "testdata"):
            shutil.rmtree(path)
        elif path.suffix == ".py" and path.name not in KEPT:
            path.unlink()
    general = [(pattern, replacement, False) for pattern, replacement in GENERAL]
    for path in package.rglob("*.py"):
        # Ahead of any other declaration: literals are octets.
        path.write_bytes(b"# coding: latin-1\n" + path.read_bytes())
        edit(path, general + specific(SPECIFIC, package, path))
    (package / "octets.py").write_text(OCTETS)


def main(folder):
    adapt_suite(folder / "autobahntestsuite")
    package = folder / "autobahn"
    for name in {name for name, _, _ in AUTOBAHN}:
        edit(package / name, specific(AUTOBAHN, package, package / name))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

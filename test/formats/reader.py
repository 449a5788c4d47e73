"""Reads an event log and manifests as docs/formats/{cbor,events,manifest}.md describe them, with nothing but Python's own library.

It shares no code with the project, so that it shows what those pages are for: a reader in another language can be written from them.
Called by formats.test.ts:   reader.py log <file> | reader.py event <hex>... | reader.py row <count> <hex> | reader.py manifest <hex>...
Prints one JSON value a line; byte strings as {"hex": ...}. Ends with 1 and a sentence on what the pages refuse.
"""

import base64
import hashlib
import hmac
import json
import sqlite3
import struct
import sys
import unicodedata


def require(condition, what):
    if not condition:
        raise ValueError(what)


# cbor.md

WIDTHS = {24: (1, 24), 25: (2, 2**8), 26: (4, 2**16), 27: (8, 2**32)}


def head(data, at):
    require(at < len(data), "the input ends early")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        require(info in (20, 21, 22), "not false, true or null")
        return major, info, at
    if info < 24:
        return major, info, at
    require(info in WIDTHS, "an indefinite or unknown length")
    size, least = WIDTHS[info]
    require(at + size <= len(data), "the input ends early")
    value = int.from_bytes(data[at : at + size], "big")
    require(value >= least, "not the shortest head")
    return major, value, at + size


def item(data, at, depth=0):
    start = at
    major, value, at = head(data, at)
    if major == 0:
        return value, at
    if major == 1:
        require(value < 2**63, "below -2^63")
        return -1 - value, at
    if major in (2, 3):
        require(at + value <= len(data), "the input ends early")
        part = data[at : at + value]
        return (bytes(part) if major == 2 else text(part)), at + value
    if major in (4, 5):
        require(depth < 64, "nested deeper than 64")
        return (array if major == 4 else mapping)(data, at, value, depth + 1)
    require(major == 7, f"a tag at {start}")
    return {20: False, 21: True, 22: None}[value], at


def text(part):
    decoded = bytes(part).decode("utf-8")
    require(unicodedata.is_normalized("NFC", decoded), "text is not in NFC")
    return decoded


def array(data, at, count, depth):
    values = []
    for _ in range(count):
        value, at = item(data, at, depth)
        values.append(value)
    return values, at


def mapping(data, at, count, depth):
    members, before = {}, b""
    for _ in range(count):
        start = at
        key, at = item(data, at, depth)
        require(isinstance(key, str), "a key is not text")
        require(bytes(data[start:at]) > before, "keys are out of order, or one is there twice")
        before = bytes(data[start:at])
        members[key], at = item(data, at, depth)
    return members, at


def one(data):
    value, end = item(data, 0)
    require(end == len(data), "bytes behind the value")
    return value


# events.md

MEMBERS = {"v": int, "id": str, "kind": str, "time": int, "actor": str, "subject": (str, type(None))}


def event(data):
    value = one(data)
    require(isinstance(value, dict) and "data" in value, "not an event")
    for name, kinds in MEMBERS.items():
        require(name in value and isinstance(value[name], kinds), f"an event without {name}")
    require(value["v"] >= 1 and len(data) <= 262144 and value["actor"] != "", "not an event")
    return value


def texts(database):
    for pseudonym, salt, content in database.execute("SELECT pseudonym, salt, text FROM personal"):
        if content is None:
            require(salt is None, "a text was erased, and its salt was not")
            continue
        digest = hmac.new(salt, content, hashlib.sha256).digest()
        made = "~" + base64.urlsafe_b64encode(digest).decode()[:22]
        require(made == pseudonym, "a text that is not the one that was committed to")
        yield pseudonym, content.decode("utf-8")


def with_texts(found, known):
    data = found["data"]
    if isinstance(data, dict):
        personal = ("holder", "metadata", "reason")
        data = {k: known.get(v, v) if k in personal and isinstance(v, str) else v for k, v in data.items()}
    return {**found, "actor": known.get(found["actor"], found["actor"]), "data": data}


def unpacked(row, count):
    forms, form_of, kept = one(row)
    at = 0
    for n in range(count):
        model, own, digits, copies = forms[form_of[n] if len(forms) > 1 else 0]
        found = bytearray(model)
        for place, size in zip(own[::2], own[1::2]):
            found[place : place + size] = kept[at : at + size]
            at += size
        for place, size in zip(digits[::2], digits[1::2]):
            found[place : place + 2 * size] = kept[at : at + size].hex().encode()
            at += size
        for place, size, start in zip(copies[::3], copies[1::3], copies[2::3]):
            found[place : place + 2 * size] = found[start : start + size].hex().encode()
        require(len(found) == len(model), "parts that do not lie in their event")
        yield bytes(found)
    require(at == len(kept), "other bytes kept than those of its events")


def log(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    pragma = lambda name: database.execute(f"PRAGMA {name}").fetchone()[0]
    require(pragma("application_id") == 0x41536576, "not an event log")
    require(pragma("user_version") in (3, 4), "a version that this reader does not know")
    known = dict(texts(database))
    seq, time = 0, 0
    for last, first, row_time, ends, data in database.execute(
        "SELECT last, first, time, ends, bytes FROM events ORDER BY last"
    ):
        require(first == seq + 1, "a gap in the log")
        places = struct.unpack(f"<{last - first + 1}I", ends)
        data = b"".join(unpacked(data, len(places))) if data[0] >> 5 == 4 else data
        for start, end in zip((0, *places), places):
            seq += 1
            found = event(data[start:end])
            require(found["time"] >= time, "time runs backwards")
            require(found["time"] == row_time, "the time of a row is not that of its events")
            time = found["time"]
            yield {"seq": seq, **with_texts(found, known)}
        require(seq == last and places[-1] == len(data), "a row without an end")


# manifest.md

FILE = {"kind", "path", "size", "blake3", "sha256"}


def manifest(data):
    value = one(data)
    require(value.get("schema") == "artifactstore.manifest.v1", "not a manifest that this reader knows")
    require(set(value) <= {"schema", "entries", "annotations"}, "a member that the schema does not know")
    before, taken = b"", set()
    for entry in value["entries"]:
        members = set(entry)
        kind = entry["kind"]
        if kind == "file":
            require(FILE <= members <= FILE | {"mediaType", "executable"}, "members of a file")
            require(len(entry["blake3"]) == 32 and len(entry["sha256"]) == 32, "a digest has 32 bytes")
            require(0 <= entry["size"] < 2**53 and entry.get("executable", True) is True, "members of a file")
        elif kind == "symlink":
            require(members == {"kind", "path", "target"}, "members of a link")
            target = raw(entry["target"])
            require(1 <= len(target) <= 4095 and b"\0" not in target, "a target")
        else:
            require(kind == "directory" and members == {"kind", "path"}, "a kind of entry")
        path = raw(entry["path"])
        parts = path.split(b"/")
        require(1 <= len(path) <= 4095 and b"\0" not in path, "a path")
        require(all(1 <= len(part) <= 255 and part not in (b".", b"..") for part in parts), "a part of a path")
        require(path > before, "entries are out of order")
        require(not any(b"/".join(parts[:n]) in taken for n in range(1, len(parts))), "an entry below another")
        taken.add(path)
        before = path
    return value


def raw(name):
    """Text where the bytes are UTF-8 in NFC, bytes where they are not: never the other way round."""
    if isinstance(name, str):
        return name.encode("utf-8")
    try:
        require(not unicodedata.is_normalized("NFC", name.decode("utf-8")), "bytes that could be text")
    except UnicodeDecodeError:
        pass
    return name


def shown(value):
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError


def main(what, *arguments):
    read = {"event": event, "manifest": manifest}.get(what)
    try:
        if what == "row":
            for found in unpacked(bytes.fromhex(arguments[1]), int(arguments[0])):
                print(json.dumps(event(found), default=shown))
            return
        for value in log(*arguments) if what == "log" else (read(bytes.fromhex(argument)) for argument in arguments):
            print(json.dumps(value, default=shown))
    except (ValueError, KeyError, TypeError, struct.error) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


main(*sys.argv[1:])

"""Seeded changes of files, for the fuzzers that are written in Python. Each takes a random.Random and bytes and
returns bytes."""
import json
import struct
import sys
import zlib

EDGES = (0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, (1 << 63) - 1, 1 << 63)


def plain(chance, data, words=()):
    """One to four changes anywhere: bits, bytes, numbers, words, blocks moved, repeated, dropped or cut off."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(9)
        length = min(chance.choice((1, 2, 4, 8, 64, 1000)), len(data) - at)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 2:
            size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
            data[at:at + size] = (chance.choice(EDGES) % (1 << 8 * size)).to_bytes(size, order)
        elif kind == 3:
            del data[at:at + length]
        elif kind == 4:
            data[at:at] = data[at:at + length] * chance.choice((1, 1, 2, 50))
        elif kind == 5:
            to = chance.randrange(len(data) + 1)
            block = data[at:at + length]
            data[to:to + length] = block
        elif kind == 6 and words:
            data[at:at + chance.choice((0, length))] = chance.choice(words)
        elif kind == 7:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
        elif kind == 8 and chance.random() < 0.2:
            del data[at:]
    return bytes(data)


def png(chance, data):
    """A chunk changed, dropped, repeated or moved; lengths and CRCs are right again."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        chunks.append((data[at + 4:at + 8], data[at + 8:at + 8 + length]))
        at += 12 + length
    if not chunks:
        return plain(chance, data)
    i = chance.randrange(len(chunks))
    kind, body = chunks[i]
    change = chance.randrange(6)
    if change == 0:
        del chunks[i]
    elif change == 1:
        chunks.insert(chance.randrange(len(chunks)), chunks[i])
    elif change == 2 and kind == b"IDAT":
        try:
            chunks[i] = kind, zlib.compress(plain(chance, zlib.decompress(body)))
        except zlib.error:
            pass
    else:
        chunks[i] = kind, plain(chance, body)
    return data[:8] + b"".join(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
                               for kind, body in chunks)


def safetensors(chance, data):
    """The header changed, as text or a number of it; its length is right again."""
    length = int.from_bytes(data[:8], "little")
    text, values = data[8:8 + length], data[8 + length:]
    if chance.random() < 0.3:
        values = plain(chance, values)
    else:
        text = json_text(chance, text)
    return struct.pack("<Q", len(text)) + text + values


def json_text(chance, data):
    """A value of a JSON object changed, or its text."""
    try:
        value = json.loads(data)
    except ValueError:
        return plain(chance, data)
    if not isinstance(value, dict) or not value or chance.random() < 0.3:
        return plain(chance, data, (b'"', b"{", b"[" * 1000, b"1e400", b"\\u0000", b"null", b","))
    key = chance.choice(list(value))
    inner = value[key]
    if isinstance(inner, dict) and inner and chance.random() < 0.7:
        value[key] = dict(inner, **{chance.choice(list(inner)): strange_value(chance)})
    elif chance.random() < 0.1:
        value[strange_text(chance)] = value.pop(key)
    else:
        value[key] = strange_value(chance)
    return json.dumps(value).encode()


def strange_text(chance):
    return chance.choice(("", "a" * 5000, "\x1b[31m", "a\nb", "\x00", "../../etc/passwd", "-o", "$(id)", "\u202e", "\ud800",
                          "relu1_1", "512", "nan", "1e400", "-1", ",", "auto"))


def strange_value(chance):
    return chance.choice((None, True, 0, -1, 1, 2, 1 << 63, 1e300, 0.5, [], {}, [1, 2], [[1]], ["relu1_1"],
                          chance.choice(EDGES), strange_text(chance), [strange_text(chance)]))


def of_file(chance, data):
    """The change that fits the format, by its first bytes; one time in three a plain one."""
    if chance.random() < 0.33:
        return plain(chance, data)
    if data.startswith(b"\x89PNG"):
        return png(chance, data)
    if data[8:9] == b"{":
        return safetensors(chance, data)
    if data.lstrip()[:1] == b"{":
        return json_text(chance, data)
    return plain(chance, data)


def words_of(path):
    """The entries of a libFuzzer dictionary."""
    with open(path, encoding="ascii") as stream:
        lines = [line.strip() for line in stream if line.startswith('"')]
    return [line[1:-1].encode().decode("unicode_escape").encode("latin-1") for line in lines]


if __name__ == "__main__":
    sys.exit("a module of the fuzzers")

"""Pictures and weight files for the tests of the command line, made byte by byte, and a reader of PNG."""
import json
import struct
import zlib


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, channels=3, pixel=None, header_only=False):
    """A PNG of 8 bits; pixel(x, y) gives its channels."""
    def pattern(x, y):
        return [(37 * x + 11 * y) % 256, (x * y) % 256, (200 - 3 * x) % 256, 255][:channels]

    kind = {1: 0, 3: 2, 4: 6}[channels]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    if header_only:
        rows = b""
    else:
        pixel = pixel or pattern
        rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def png_chunks(data):
    position = 8
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        yield kind, data[position + 8:position + 8 + length]
        position += 12 + length


def decode_png(data):
    """(width, height, channels, rows of bytes)"""
    chunks = list(png_chunks(data))
    width, height, _, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    channels = {0: 1, 2: 3, 6: 4}[kind]
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows, previous = [], bytes(width * channels)
    for y in range(height):
        start = y * (width * channels + 1)
        previous = unfilter(raw[start], raw[start + 1:start + 1 + width * channels], previous, channels)
        rows.append(previous)
    return width, height, channels, rows


def unfilter(kind, line, above, step):
    result = bytearray()
    for i, value in enumerate(line):
        a = result[i - step] if i >= step else 0
        b, c = above[i], above[i - step] if i >= step else 0
        estimate = a + b - c
        paeth = min((abs(estimate - v), order, v) for order, v in enumerate((a, b, c)))[2]
        result.append((value + [0, a, b, (a + b) // 2, paeth][kind]) % 256)
    return bytes(result)


def safetensors(tensors, metadata=None):
    """tensors: name -> shape; all F32 zeros."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in tensors.items():
        size = 4
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)

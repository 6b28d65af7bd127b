#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets into FOLDER/TARGET/. Needs the standard library and the program.

    tests/fuzz/seeds.py FOLDER build/swag

Pictures are made byte by byte, but for a few JPEGs of some hundred bytes in tests/fuzz/seeds/. Files of users that
lie in ../shared/cases and ../shared/images are taken too where they are there and small.
"""
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LARGEST = 20000   # bytes of a seed: a fuzzer is slow on more
sys.path.insert(0, str(HERE.parent / "cli"))
from cli_files import png_chunk  # noqa: E402


# ---------------------------------------------------------------- pictures

def png(width, height, depth, kind, interlaced=0, extra=b"", level=9):
    """A PNG of any kind (0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA), all filters in turn."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        columns, lines = (width - x + dx - 1) // dx, (height - y + dy - 1) // dy
        if columns > 0 and lines > 0:
            size = (columns * bits + 7) // 8
            rows += b"".join(bytes([r % 5]) + bytes((7 * i * r + i) % 256 for i in range(size)) for r in range(lines))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    palette = png_chunk(b"PLTE", bytes(i % 256 for i in range(3 << depth))) if kind == 3 else b""
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + palette
            + png_chunk(b"IDAT", zlib.compress(rows, level)) + png_chunk(b"IEND", b""))


def pngs():
    for kind, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            yield f"png_{kind}_{depth}", png(9, 7, depth, kind, extra=png_chunk(b"gAMA", struct.pack(">I", 45455)))
            yield f"png_{kind}_{depth}_interlaced", png(9, 9, depth, kind, 1)
    keyed = png_chunk(b"tRNS", b"\0\1\0\2\0\3")
    exif = png_chunk(b"eXIf", tiff(">", 6))
    chromaticities = png_chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    yield "png_key", png(8, 8, 8, 2, extra=keyed + exif, level=0)
    yield "png_chrm_srgb", png(8, 8, 8, 6, extra=chromaticities + png_chunk(b"sRGB", b"\0"), level=0)
    yield "png_iccp", png(8, 8, 8, 2, extra=png_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(132))))


def tiff(order, orientation):
    """EXIF's directory with one entry, the orientation."""
    magic = b"MM\0*" if order == ">" else b"II*\0"
    return magic + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def jpegs():
    for path in sorted((HERE / "seeds").glob("*.jpg")):
        data = path.read_bytes()
        yield path.stem, data
        exif = b"Exif\0\0" + tiff("<", 3)
        yield path.stem + "_exif", data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def bmps():
    for depth, palette, compression, data in ((24, b"", 0, bytes(range(96))), (32, b"", 0, bytes(range(128))),
                                              (8, bytes(range(256)) * 4, 0, bytes(range(32))),
                                              (4, bytes(64), 0, bytes(16)), (1, bytes(8), 0, bytes(16)),
                                              (8, bytes(1024), 1, b"\x08\1\0\0" * 4 + b"\0\1")):
        offset = 54 + len(palette)
        header = struct.pack("<IiiHHIIiiII", 40, 8, 4, 1, depth, compression, len(data), 0, 0, 0, 0)
        yield f"bmp_{depth}_{compression}", (b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header
                                             + palette + data)
    masks = struct.pack("<IIII", 0xff0000, 0xff00, 0xff, 0xff000000)
    header = struct.pack("<IiiHHIIiiII", 108, 8, -4, 1, 32, 3, 128, 0, 0, 0, 0) + masks + bytes(52)
    yield "bmp_masks", b"BM" + struct.pack("<IHHI", 122 + 128, 0, 0, 122) + header + bytes(range(128))


def gifs():
    # LZW of 3-bit codes that never grow: a clear code before every two pixels.
    bits = "".join(f"{code:03b}"[::-1] for _ in range(8) for code in (4, 1, 2)) + f"{5:03b}"[::-1]
    bits += "0" * (-len(bits) % 8)
    lzw = bytes(int(bits[i:i + 8][::-1], 2) for i in range(0, len(bits), 8))
    screen = struct.pack("<HHBBB", 4, 4, 0xa1, 0, 0) + bytes(range(12))
    control = b"\x21\xf9\4\1\0\0\0\0"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2" + bytes([len(lzw)]) + lzw + b"\0"
    yield "gif", b"GIF89a" + screen + control + image + b";"
    yield "gif_two", b"GIF89a" + screen + control + image + control + image + b";"
    yield "gif_87", b"GIF87a" + screen + image + b";"


def others():
    for kind, depth, data in ((2, 24, bytes(range(48))), (2, 32, bytes(range(64))), (3, 8, bytes(range(16))),
                              (10, 24, b"\x8f\1\2\3"), (11, 8, b"\x8f\7")):
        header = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, 4, 4, depth, 0x20)
        yield f"tga_{kind}_{depth}", header + data
    palette = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 4, 24, 0, 0, 4, 4, 8, 0) + bytes(12) + bytes(16)
    yield "tga_palette", palette
    yield "pnm_grey", b"P5 4 3 255\n" + bytes(range(12))
    yield "pnm_colour", b"P6\n# a comment\n4 3\n255\n" + bytes(range(36))
    yield "pnm_deep", b"P6 2 2 1000\n" + bytes(range(24))
    for magic in (b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif", b"RIFF\0\0\0\0WEBPVP8 ", b"II*\0", b"\xff\x0a", b"%PDF-",
                  b"8BPS", b"<svg xmlns='x'>", b"\0\0\0\x0cJXL "):
        yield f"foreign_{zlib.crc32(magic):x}", magic + bytes(30)


def described(pictures):
    """Pictures with a description such as the program writes."""
    for name, data in pictures:
        text = b'{"program": "swag", "network": "vgg11", "size": "32", "style_layers": ["relu1_1"]}'
        if data.startswith(b"\x89PNG"):
            yield name, data[:33] + png_chunk(b"iTXt", b"swag\0\0\0\0\0" + text) + data[33:]
        elif data.startswith(b"\xff\xd8"):
            for parts in (1, 3):
                size = -(-len(text) // parts)
                comments = b"".join(b"\xff\xfe" + struct.pack(">H", len(piece) + 7) + b"swag " + piece
                                    for piece in (text[i:i + size] for i in range(0, len(text), size)))
                yield f"{name}_{parts}", data[:2] + comments + data[2:]


# ---------------------------------------------------------------- the other targets

def safetensors_file(entries, metadata=None, header=None):
    """entries: (name, dtype, shape, bytes)"""
    table, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, dtype, shape, values in entries:
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = header if header is not None else json.dumps(table, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors():
    shapes = {"conv1.weight": [2, 3, 1, 1], "conv1.bias": [2], "bn1.weight": [2], "bn1.bias": [2],
              "bn1.running_mean": [2], "bn1.running_var": [2]}

    def small(dtype, size):
        return [(name, dtype, shape, bytes(size * (6 if len(shape) == 4 else 2))) for name, shape in shapes.items()]

    for dtype, size in (("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8), ("I32", 4)):
        yield f"small_{dtype}", safetensors_file(small(dtype, size))
    extra = [("bn1.num_batches_tracked", "I64", [], bytes(8)), ("fc.weight", "F32", [1, 2], bytes(8)),
             ("downsample.0.weight", "F32", [1, 2, 1, 1], bytes(8))]
    yield "extra", safetensors_file(small("F32", 4) + extra, {"format": "pt", "pooling": "avg"})
    yield "stranger", safetensors_file([("features.0.weight", "F32", [1], bytes(4))])
    yield "empty_tensor", safetensors_file([("a", "U8", [0, 3], b""), ("b", "BOOL", [3], bytes(3))])
    yield "none", safetensors_file([])
    yield "deep", safetensors_file([], header=b'{"a":' + b"[" * 40 + b"]" * 40 + b"}")
    for start in (b"PK\3\4", b"\x80\2", b"version https://git-lfs", b"<html>", b"\x89HDF\r\n"):
        yield f"other_{zlib.crc32(start):x}", start + bytes(20)


ARGUMENTS = (
    ["a.png", "b.png", "-o", "c.png", "--size", "64"], ["run"], ["--help"], ["--version"], ["--preset", "authors"],
    ["--network", "resnet50", "--smoothing", "softmax", "--temperature", "auto", "--entropy", "0.999"],
    ["--style-layers", "relu1_1,relu2_1", "--style-layer-weights", "1,2", "--weights", "splitmix:7"],
    ["--overwrite=false", "-q", "-v", "--no-resize"], ["-n7", "-s=32", "--", "-x"], ["--size", "640x480", "--size=orig"],
    ["--options-from", "/dev/null"], ["--init", "image"], ["--style-blend", "1,2"], ["--jpeg-quality", "101"],
)
VALUES = ("0", "-1", "1e3", "1e400", "nan", "0x10", " 1", "1 ", "512", "640x480", "orig", "32769", "x", "1,2,3", ",", "a,b",
          "splitmix:7", "splitmix:", "18446744073709551616", "default", "vgg19", "layer3.5.relu1", "softmax", "lbfgs-plain",
          "winograd", "paper", "content")


def options(program):
    yield "empty", b"{}"
    for words in ((), ("--preset", "authors"), ("--preset", "gatys"), ("--network", "resnet18", "--weights", "random"),
                  ("--size", "32x48", "--smoothing", "scale", "--temperature", "3", "--optimizer", "adam")):
        shown = subprocess.run([program, "--show-options", *words], check=True, capture_output=True).stdout
        yield f"shown_{zlib.crc32(shown):x}", json.dumps(json.loads(shown)).encode()
    for text in ('{"iterations": 7, "size": "orig"}', '{"content": "a", "styles": ["b"]}', '{"seed": -1}', '[1]', '{"size": [1, [2]]}',
                 '{"style_layer_weights": [1, 2.5, 1e3]}', '{"temperature": "auto"}', '{"network": "resnet50", "init": "random"}'):
        yield f"text_{zlib.crc32(text.encode()):x}", text.encode()


def api():
    chance = random.Random(1)
    for i in range(64):
        yield f"random_{i}", bytes(chance.randrange(256) if chance.random() < 0.5 else 2 for _ in range(60 + 4 * i))


def users_files(*suffixes):
    for folder in (ROOT / "../shared/cases", ROOT / "../shared/images"):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if path.suffix in suffixes and path.stat().st_size <= LARGEST:
                yield f"users_{path.name}", path.read_bytes()


def write(folder, inputs):
    os.makedirs(folder, exist_ok=True)
    for name, data in inputs:
        (folder / name).write_bytes(data)


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    pictures = [*pngs(), *jpegs(), *bmps(), *gifs(), *others(),
                *users_files(".png", ".jpg", ".bmp", ".gif", ".tga", ".ppm", ".psd")]
    write(folder / "pictures", pictures)
    write(folder / "descriptions", [*described(pictures), *pngs()])
    write(folder / "safetensors", [*safetensors(), *users_files(".safetensors")])
    write(folder / "options", [*options(program), *users_files(".json")])
    write(folder / "arguments", ((f"{i}", "\n".join(words).encode()) for i, words in enumerate(ARGUMENTS)))
    write(folder / "values", ((f"{i}", text.encode()) for i, text in enumerate(VALUES)))
    write(folder / "api", api())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What the program says of unusual picture files, and what it takes to read them.

    tests/cli/test_cli_pictures.py [PROGRAM]
"""
import os
import struct
import subprocess
import time
import zlib

import cli_case
from cli_case import FAST, IMAGE, CliTest
from cli_files import decode_png, png, png_chunk

FLAT_MIB = 200    # of a run on a flat picture of 2^28 pixels, whose floats alone would take 3072
FLAT_SECONDS = 30  # of the same, most of it the run's; floats of the whole picture took minutes


def with_chunk(picture, kind, body):
    """Behind the header of a PNG."""
    return picture[:33] + png_chunk(kind, body) + picture[33:]


def flat_png(side):
    """One bit a pixel, all black."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    body = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


class Pictures(CliTest):
    def test_a_huge_flat_picture_is_read_in_little_memory(self):
        huge = self.write("huge.png", flat_png(16384))
        self.assertLess(os.path.getsize(huge), 40000)
        for content, style in ((huge, self.style), (self.content, huge)):
            start = time.monotonic()
            run = subprocess.Popen([CliTest.program, content, style, "-o", self.out, "--overwrite", *FAST, "-q",
                                    "--style-layers", "relu1_1", "--content-layers", "relu1_1"])
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(run.returncode, 0)
            self.assertLess(usage.ru_maxrss / 1024, FLAT_MIB)
            self.assertLess(time.monotonic() - start, FLAT_SECONDS)

    def test_the_size_of_the_output_is_that_of_the_whole_picture(self):
        self.content = self.write("content.png", png(1000, 333))
        self.stylise("--size", "49", "--style-layers", "relu1_1", "--content-layers", "relu1_1")
        self.assertEqual(decode_png(self.read("out.png"))[:2], (49, 16))

    def test_what_is_noted_of_a_picture_is_a_warning(self):
        animated = self.write("animated.png", with_chunk(png(64, 48), b"acTL", struct.pack(">II", 2, 0)))
        broken = self.write("broken.png", with_chunk(png(64, 48), b"iCCP", b"x\0\0" + zlib.compress(b"nonsense")))
        for path, words in ((animated, "its first picture is taken"), (broken, "sRGB is assumed")):
            result = self.swag(path, self.style, "-o", self.out, "--overwrite", *FAST)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"warning: {path}: ", result.stderr)
            self.assertIn(words, result.stderr)
            quiet = self.swag(path, self.style, "-o", self.out, "--overwrite", *FAST, "-q")
            self.assertEqual((quiet.returncode, quiet.stderr), (0, ""))

    def test_where_a_run_is_refused_nothing_else_is_said(self):
        animated = self.write("animated.png", with_chunk(png(64, 48), b"acTL", struct.pack(">II", 2, 0)))
        cut = self.write("cut.png", png(64, 48)[:-20])
        for words in ([animated, animated, cut], [animated, self.style, "--device", "nonsense"]):
            result = self.swag(*words, "-o", self.out, *FAST)
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_a_jpeg_says_that_what_is_transparent_is_white(self):
        clear = self.write("clear.png", png(64, 48, 4, lambda x, y: [x, y, 0, 255 if x < 40 else 0]))
        for name, words in (("out.jpg", "what is transparent is white in a JPEG"), ("out.png", "")):
            result = self.swag(clear, self.style, "-o", self.path(name), *FAST)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(words, result.stderr)
            self.assertEqual("white in a JPEG" in result.stderr, name == "out.jpg")

    def test_a_profile_changes_the_colours_of_the_output(self):
        linear = self.write("linear.png", with_chunk(png(64, 48, pixel=lambda x, y: [64, 128, 192]), b"gAMA",
                                                     struct.pack(">I", 100000)))
        result = self.swag(linear, self.style, "-o", self.out, *FAST, "--iterations", "0", "--size", "orig")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(list(decode_png(self.read("out.png"))[3][0][:3]), [137, 188, 225])

    def test_the_output_says_that_it_is_srgb(self):
        self.stylise()
        self.assertIn(b"sRGB", self.read("out.png")[:64])

    def test_no_byte_of_a_file_moves_the_cursor(self):
        names_chunk = self.write("chunk.png", with_chunk(png(64, 48), b"A\n\x1b[", b""))
        self.assert_bad(IMAGE, "is damaged", content=names_chunk)
        name = self.write("a\x1b[2J.png", b"no picture" * 9)
        result = self.swag(name, self.style, "-o", self.out, *FAST)
        self.assertEqual(result.returncode, IMAGE)
        self.assertNotIn("\x1b", result.stderr)
        self.assertIn("\\x1b", result.stderr)


if __name__ == "__main__":
    cli_case.main("build/swag")

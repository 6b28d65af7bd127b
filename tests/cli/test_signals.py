#!/usr/bin/env python3
"""Signals, closed streams and full ones: the picture is saved, the exit code tells, and no error goes unnoticed.

    python3 tests/cli/test_signals.py build/swag

Needs the standard library alone.
"""
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
import unittest

import cli_case
from cli_case import FAST, LONG_RUN, ONE_LAYER, OUTPUT, CliTest
from cli_files import decode_png

SLOW = ["--weights", "splitmix:1", "--size", "120"]   # some milliseconds for an evaluation, and no end of them
PRINTING = (["--help"], ["--version"], ["--show-options", "--weights", "random"], ["model", "list"],
            ["model", "--help"], ["devices"],
            ["bench", "network", "--network", "vgg11", "--size", "32", "--repeat", "1", "--json"])


def ignoring(*signals):
    return lambda: [signal.signal(number, signal.SIG_IGN) for number in signals]


def closing(*streams):
    return lambda: [os.close(stream) for stream in streams]


class SignalTest(CliTest):
    def start(self, *arguments, preexec=None, wait=True):
        """A long run that has begun, with its log in a pipe that somebody empties."""
        command = [self.program, self.content, self.style, "-o", self.out, *FAST, *LONG_RUN, *SLOW, "--overwrite", "-q",
                   "--log", "-", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=preexec)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if wait:
            process.stdout.readline()
            reader = threading.Thread(target=process.stdout.read, daemon=True)
            reader.start()
            self.addCleanup(reader.join, 10)
        return process

    def assert_saved(self, process, *codes):
        self.assertIn(process.wait(60), codes)
        self.assertRegex(process.stderr.read(), r"^swag: interrupted; .*out.png is the best picture so far\n$")
        self.assertEqual(decode_png(self.read("out.png"))[:2], (120, 90))
        os.remove(self.out)


class Signals(SignalTest):
    def test_every_wish_to_end_saves_the_picture(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
            with self.subTest(signal=number):
                process = self.start()
                process.send_signal(number)
                self.assert_saved(process, 128 + number)

    def test_what_was_ignored_stays_ignored(self):
        for number in (signal.SIGHUP, signal.SIGINT):
            process = self.start(preexec=ignoring(number))
            process.send_signal(number)
            time.sleep(0.2)
            self.assertIsNone(process.poll())
            process.send_signal(signal.SIGTERM)
            self.assert_saved(process, 128 + signal.SIGTERM)

    def test_signals_that_come_in_pairs_are_one(self):
        for second in (signal.SIGTERM, signal.SIGHUP):   # of timeout(1) and of a session that ends
            process = self.start()
            process.send_signal(signal.SIGTERM)
            process.send_signal(second)
            # Where both wait for a busy machine, the system says which comes first.
            self.assert_saved(process, 128 + signal.SIGTERM, 128 + second)

    @unittest.skipUnless(shutil.which("timeout"), "there is no timeout(1)")
    def test_timeout_saves_the_picture(self):
        command = ["timeout", "3", self.program, self.content, self.style, "-o", self.out, *FAST, *LONG_RUN, *SLOW]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 124, result.stderr)
        self.assertEqual(decode_png(self.read("out.png"))[:2], (120, 90))

    def test_an_input_that_does_not_come_is_not_waited_for(self):
        os.mkfifo(self.path("pipe.png"))
        self.content = self.path("pipe.png")
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start(wait=False)
            time.sleep(1)
            process.send_signal(number)
            self.assertEqual(process.wait(10), 128 + number)
            self.assertEqual(process.stderr.read(), "swag: interrupted before there was a picture to save\n")

    def test_a_pipe_that_nobody_reads_does_not_cost_the_picture(self):
        pipe = self.path("pipe.png")
        os.mkfifo(pipe)
        process = subprocess.Popen([self.program, self.content, self.style, "-o", pipe, *FAST, *ONE_LAYER, "-q"],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        time.sleep(1)
        process.terminate()
        _, errors = process.communicate(timeout=10)
        self.assertEqual(process.returncode, OUTPUT, errors)
        self.assertIn("pipe-rescued.png", errors)
        decode_png(self.read("pipe-rescued.png"))
        os.remove(self.path("pipe-rescued.png"))
        self.out = pipe
        process = self.start()
        process.terminate()   # before it comes to the pipe
        self.assertEqual(process.wait(60), OUTPUT)
        self.assertIn("nobody reads", process.stderr.read())
        decode_png(self.read("pipe-rescued.png"))

    def test_a_limit_on_the_size_of_files_is_an_error_that_is_told(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        command = [self.program, self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER, "-q"]
        here = {**os.environ, "TMPDIR": self.folder.name, "XDG_STATE_HOME": self.folder.name}
        result = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=60, env=here)
        self.assertEqual(result.returncode, OUTPUT, result.stderr)
        self.assertIn("out.png", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["content.png", "style.png"])


class Streams(SignalTest):
    def run_with(self, arguments, **settings):
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
        return subprocess.run([self.program, *arguments], text=True, timeout=120, **settings)

    def picture(self, *more):
        return [self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER, "--overwrite", *more]

    def test_a_full_standard_output_is_told(self):
        for arguments in PRINTING:
            with self.subTest(arguments=arguments), open("/dev/full", "w") as full:
                result = self.run_with(arguments, stdout=full)
                self.assertEqual(result.returncode, OUTPUT, result.stderr)
                self.assertRegex(result.stderr, r"^swag: standard output cannot be written.*\n$")

    def test_a_closed_standard_output_is_told_where_something_is_printed(self):
        for arguments in PRINTING:
            result = self.run_with(arguments, preexec_fn=closing(1))
            self.assertEqual(result.returncode, OUTPUT, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(self.run_with(self.picture("-q"), preexec_fn=closing(1)).returncode, 0)
        result = self.run_with(self.picture("-q", "--log", "-"), preexec_fn=closing(1))
        self.assertEqual(result.returncode, OUTPUT)
        self.assertEqual(result.stderr, "swag: --log: standard output is closed; give a file\n")

    def test_files_do_not_get_the_messages_of_closed_streams(self):
        log, weights = self.path("log"), self.path("w")
        for streams in ((0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)):
            with self.subTest(streams=streams):
                result = self.run_with(self.picture("-v", "--log", log, "--save-weights", weights),
                                       preexec_fn=closing(*streams))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertTrue(all(line.startswith(b'{"evaluation"') for line in self.read("log").splitlines()))
                self.assertEqual(decode_png(self.read("out.png"))[:2], (48, 36))
                self.assertEqual(self.swag("model", "verify", weights, "--network", "vgg11").returncode, 0)

    def test_a_log_that_cannot_be_written_ends_and_the_run_does_not(self):
        result = self.run_with(self.picture("-q", "--log", "/dev/full"))
        self.assertEqual(result.returncode, OUTPUT)
        self.assertRegex(result.stderr, r"^swag: the log cannot be written: .*; the run goes on without\n$")
        decode_png(self.read("out.png"))
        os.remove(self.out)
        with open("/dev/full", "w") as full:
            self.assertEqual(self.run_with(self.picture("-q", "--log", "-"), stdout=full).returncode, OUTPUT)
        decode_png(self.read("out.png"))

    def test_a_reader_of_the_log_may_leave(self):
        process = self.start("--iterations", "50", "--size", "48", *ONE_LAYER, wait=False)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(60), 0)
        self.assertRegex(process.stderr.read(), r"^swag: the log .*\n$")
        self.assertEqual(decode_png(self.read("out.png"))[:2], (48, 36))

    def test_a_reader_of_the_messages_may_leave(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        result = self.run_with(self.picture("-v"), stderr=write_end)
        os.close(write_end)
        self.assertEqual(result.returncode, 0)
        decode_png(self.read("out.png"))


if __name__ == "__main__":
    cli_case.main("build/swag")

#!/usr/bin/env python3
"""The files of a run: which are refused before any work, what happens to those that are there, and where a picture
goes whose place fails.

    python3 tests/cli/test_outputs.py build/swag

Needs the standard library alone.
"""
import json
import os
import shutil
import stat
import subprocess
import threading
import time

import cli_case
from cli_case import FAST, IMAGE, ONE_LAYER, OUTPUT, USAGE, QuickTest
from cli_files import decode_png, png

DUMP = ["dump", "--network", "vgg11", *ONE_LAYER]


class Clashes(QuickTest):
    """No two files of a run are one."""

    def assert_clash(self, *options, out=None, word="another name"):
        before = {name: self.read(name) for name in os.listdir(self.folder.name) if os.path.isfile(self.path(name))}
        self.assert_bad(OUTPUT, word, out=out, options=options)
        after = {name: self.read(name) for name in os.listdir(self.folder.name) if os.path.isfile(self.path(name))}
        self.assertEqual(after, before)

    def test_no_output_takes_the_place_of_an_input(self):
        weights = self.path("w.safetensors")
        self.stylise("--save-weights", weights)
        os.remove(self.out)
        other = self.write("init.png", png(64, 48))
        for overwrite in ([], ["--overwrite"]):
            for file in (self.content, self.style, other):
                self.assert_clash("--init-image", other, *overwrite, out=file, word="--overwrite")
                for option in ("--grid", "--log", "--save-weights"):
                    self.assert_clash("--init-image", other, option, file, *overwrite, word="--overwrite")
            self.assert_clash("--weights", weights, "--log", weights, *overwrite, word="--overwrite")
            self.assert_clash("--weights", weights, "--save-weights", weights, *overwrite, word="--overwrite")
        options = self.write("options.json", b"{}")
        self.assert_clash("--options-from", options, "--log", options, "--overwrite", word="--options-from")

    def test_however_an_input_is_spelt(self):
        os.symlink("content.png", self.path("link.png"))
        os.link(self.content, self.path("hard.png"))
        os.symlink(self.folder.name, self.path("again"))
        for name in ("link.png", "hard.png", "./content.png", "again/content.png", "again/link.png"):
            self.assert_clash("--overwrite", out=self.path(name), word="is the content picture")

    def run_with(self, *options, stdout=None, descriptor=None):
        command = [self.program, self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER, *options]
        return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True,
                              pass_fds=[] if descriptor is None else [descriptor])

    def test_an_input_reached_through_a_descriptor(self):
        before = self.read("content.png")
        with open(self.content, "ab") as content:
            path = "/proc/self/fd/%d" % content.fileno()
            os.symlink(path, self.path("p.png"))
            for options in (["--log", "-"], ["--log", "/dev/stdout"], ["--save-weights", path],
                            ["--grid", self.path("p.png")]):
                with self.subTest(options=options):
                    result = self.run_with(*options, stdout=content, descriptor=content.fileno())
                    self.assertEqual(result.returncode, OUTPUT, result.stderr)
                    self.assertIn("is the content picture", result.stderr)
                    self.assertEqual(self.read("content.png"), before)

    def test_standard_output_takes_one_output_unless_it_is_a_device(self):
        os.symlink("/dev/stdout", self.path("grid.png"))
        options = ["--log", "-", "--grid", self.path("grid.png")]
        result = self.run_with(*options, stdout=subprocess.PIPE)
        self.assertEqual(result.returncode, OUTPUT, result.stderr)
        self.assertIn("--grid and --log are one file", result.stderr)
        self.assertEqual(self.run_with(*options, stdout=subprocess.DEVNULL).returncode, 0)

    def test_two_outputs_are_two_files(self):
        os.mkdir(self.path("sub"))
        os.symlink("out.png", self.path("link.png"))
        for option in ("--grid", "--log", "--save-weights"):
            for name in ("out.png", "./out.png", "sub/../out.png", "link.png", "Out.png"):
                if option == "--grid" or name != "link.png":
                    self.assert_clash(option, self.path(name), "--overwrite", word="-o and " + option)
        self.assert_clash("--log", self.path("a"), "--save-weights", self.path("a"))
        for name in ("out-0002.png", "./out-0002.png", "sub/../out-0002.png"):
            self.assert_clash("--save-every", "1", "--log", self.path(name), word="--save-every")
        self.stylise("--save-every", "2", "--grid", self.path("out-0001.png"))  # a number that does not come

    def test_numbered_pictures_do_not_take_the_place_of_inputs(self):
        os.symlink("content.png", self.path("out-0001.png"))
        self.assert_clash("--save-every", "1", "--overwrite", word="is the content picture")

    def test_numbered_pictures_count_as_one_with_names_of_other_case(self):
        self.assert_clash("--grid", self.path("OUT-0010.png"), "--save-every", "10", "--iterations", "21",
                          word="--save-every")

    def test_dump_does_not_replace_what_it_reads(self):
        arguments = [*DUMP, "--content", self.content, "--style", self.style, "--out"]
        self.assert_mistake(OUTPUT, [*arguments, self.content], "is the content picture")
        self.assert_mistake(OUTPUT, [*arguments, os.path.join(self.folder.name, ".", "style.png")], "a style picture")

    def test_a_converted_file_does_not_replace_its_source(self):
        source = self.write("a.pth", b"x")
        self.assert_mistake(OUTPUT, ["model", "convert", source, source, "--overwrite"], "never replaced")
        self.assert_mistake(OUTPUT, ["model", "convert", source, "/dev/null", "--overwrite"], "name a file")

    def test_a_picture_may_be_painted_over_the_one_that_its_options_come_from(self):
        self.stylise()
        self.stylise("--options-from", self.out, "--overwrite")


class Refusals(QuickTest):
    """Told before any work."""

    def test_the_log_replaces_nothing_unasked(self):
        self.write("log", b"precious")
        self.assert_bad(OUTPUT, "--overwrite", options=["--log", self.path("log")])
        self.assertEqual(self.read("log"), b"precious")
        broken = self.write("broken.png", b"no picture")
        self.assert_bad(3, "broken.png", content=broken, options=["--log", self.path("log"), "--overwrite"])
        self.assertEqual(self.read("log"), b"precious")   # the run has not begun
        self.stylise("--log", self.path("log"), "--overwrite")
        self.assertEqual([json.loads(line)["evaluation"] for line in self.read("log").splitlines()][0], 1)

    def test_names_that_are_too_long(self):
        longest = "n" * 251 + ".png"
        self.assert_bad(OUTPUT, "too long", out=self.path("n" + longest))
        self.assert_bad(OUTPUT, "too long", out=self.path(longest), options=["--save-every", "1"])
        self.assert_bad(OUTPUT, "too long", options=["--grid", self.path("n" + longest)])
        self.assert_bad(OUTPUT, "too long", options=["--log", self.path("n" * 256)])
        self.out = self.path(longest)
        self.stylise()
        self.stylise("--overwrite")

    def test_names_that_are_empty(self):
        for option in ("--options-from", "--log", "--grid", "--save-weights", "--weights", "--init-image", "-o"):
            self.assert_bad(USAGE, "the name of the file is empty", options=[option, ""])
        self.assert_mistake(USAGE, [self.content, "", "-o", self.out, *FAST], "the name of a picture is empty")

    def test_what_is_closed_or_open_for_reading_alone(self):
        name = self.path("link.png")
        os.symlink("/dev/stdout", name)
        command = [self.program, self.content, self.style, *FAST, *ONE_LAYER]
        for words in (["-o", name], ["-o", self.out, "--log", "/dev/stdout"], ["-o", self.out, "--grid", name],
                      ["-o", self.out, "--save-weights", "/dev/stdout"]):
            result = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command, *words], capture_output=True, text=True)
            self.assertEqual(result.returncode, OUTPUT, result.stderr)
            self.assertIn("is closed, or open for reading alone", result.stderr)
        old = self.write("old", b"precious")
        os.symlink("/dev/fd/7", self.path("seven.png"))
        result = subprocess.run(["sh", "-c", 'exec "$@" 7<"$0"', old, *command, "-o", self.path("seven.png")],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, OUTPUT, result.stderr)
        self.assertEqual(self.read("old"), b"precious")

    def test_folders_in_which_no_file_can_be_made(self):
        self.assert_bad(OUTPUT, "no file can be made in /proc", out="/proc/out.png")
        gone = self.path("gone")
        os.mkdir(gone)
        command = ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", gone, self.program, self.content,
                   self.style, "-o", "out.png", *FAST, *ONE_LAYER]
        result = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(result.returncode, OUTPUT, result.stderr)
        self.assertIn("was removed", result.stderr)

    def test_a_run_that_is_refused_replaces_no_weights(self):
        weights = self.write("w.safetensors", b"precious")
        for code, words in ((USAGE, ["--device", "nonsense"]), (USAGE, ["--style-layers", "relu1_1,relu1_1"]),
                            (USAGE, ["--smoothing", "softmax", "--smoothing-layers", "relu5_1"]),
                            (IMAGE, ["--size", "4", "--style-layers", "relu5_2"])):
            self.assert_bad(code, options=[*ONE_LAYER, "--save-weights", weights, "--overwrite", *words])
            self.assertEqual(self.read("w.safetensors"), b"precious")

    def test_links_that_lead_nowhere(self):
        os.symlink("target.png", self.out)
        self.assert_bad(OUTPUT, "target.png", "--overwrite")
        self.assertFalse(os.path.exists(self.path("target.png")))
        self.stylise("--overwrite")
        self.assertTrue(os.path.islink(self.out))
        decode_png(self.read("target.png"))
        os.symlink("loop.png", self.path("loop.png"))
        self.assert_mistake(OUTPUT, [self.content, self.style, "-o", self.path("loop.png"), "--overwrite"], "circle")

    def test_numbered_names_are_looked_up_at_once_however_many_there_could_be(self):
        self.write("out-7000000.png", b"precious")
        self.write("out-0030.png", b"precious")
        many = ["--save-every", "10", "--iterations", "1000000", "--scales", "10"]
        start = time.monotonic()
        self.assert_bad(OUTPUT, "out-0030.png", options=many)
        os.remove(self.path("out-0030.png"))
        for name in ("out-0031.png", "out-30.png", "out-00030.png", "out-0030.jpg", "out-10000000.png"):
            self.write(name, b"")
        self.assert_bad(OUTPUT, "out-7000000.png", options=many)
        self.assertLess(time.monotonic() - start, 3)


class Places(QuickTest):
    """What becomes of that which is there."""

    def test_permissions_are_kept(self):
        self.stylise("--save-weights", self.path("w"), "--save-every", "2")
        for name in ("out.png", "w", "out-0002.png"):
            os.chmod(self.path(name), 0o600)
        self.stylise("--save-weights", self.path("w"), "--save-every", "2", "--overwrite")
        for name in ("out.png", "w", "out-0002.png"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path(name)).st_mode), 0o600)

    def test_links_stay(self):
        os.mkdir(self.path("sub"))
        self.write("sub/old.png", b"old")
        os.symlink("sub/old.png", self.out)
        self.stylise("--overwrite")
        self.assertTrue(os.path.islink(self.out))
        decode_png(self.read("sub/old.png"))
        self.assertEqual(os.listdir(self.path("sub")), ["old.png"])

    def test_devices_stay_devices(self):
        os.symlink("/dev/null", self.path("null.png"))
        self.stylise("--grid", self.path("null.png"), "--save-weights", "/dev/null", "--log", "/dev/null",
                     "--overwrite")
        result = self.swag(*DUMP, "--content", self.content, "--style", self.style, "--out", "/dev/null")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        self.assertTrue(os.path.islink(self.path("null.png")))

    def test_pipes_are_written_through(self):
        pipe = self.path("pipe.png")
        os.mkfifo(pipe)
        got = []

        def read():
            with open(pipe, "rb") as f:
                got.append(f.read())

        reader = threading.Thread(target=read)
        reader.start()
        self.out = pipe
        self.stylise()
        reader.join(10)
        self.assertEqual(decode_png(got[0])[:2], (48, 36))
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))

    def test_standard_output_by_its_name(self):
        command = [self.program, *DUMP, "--content", self.content, "--style", self.style, "--out"]
        subprocess.run([*command, self.path("d")], check=True)
        piped = subprocess.run([*command, "/dev/stdout"], check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(piped, self.read("d"))
        self.write("all", b"before")
        with open(self.path("all"), "ab") as f:
            subprocess.run([*command, "/dev/stdout"], check=True, stdout=f)
        self.assertEqual(self.read("all"), b"before" + piped)

    def test_a_stale_temporary_file_is_no_hindrance_and_goes(self):
        for number in range(3):
            self.write(".swag-%016x.part" % number, b"x")
        command = ["unshare", "-pf", self.program, self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER]
        if os.geteuid() != 0 or subprocess.run([*command, "--overwrite"], capture_output=True).returncode != 0:
            self.stylise("--overwrite")   # where no process can get the number 1
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["content.png", "out.png", "style.png"])


class Rescue(QuickTest):
    """A picture whose place fails at the end."""

    def run_until(self, prepare, *arguments, **environment):
        """Calls `prepare` between the first line of the log and the end of the run."""
        command = [self.program, self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER, "-q", "--size", "120",
                   "--iterations", "60", "--init", "random", "--log", "-", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **environment})
        self.addCleanup(process.kill)
        process.stdout.readline()
        prepare()
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, OUTPUT, errors)
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertIn("/out", errors)
        return errors

    def test_a_name_that_is_taken_meanwhile(self):
        errors = self.run_until(lambda: self.write("out.png", b"precious"))
        self.assertEqual(self.read("out.png"), b"precious")
        self.assertIn("the picture is in " + self.path("out-rescued.png"), errors)
        decode_png(self.read("out-rescued.png"))

    def test_a_name_that_became_a_folder(self):
        self.write("out-rescued.png", b"of last time")
        self.run_until(lambda: os.mkdir(self.out), "--overwrite")
        self.assertEqual(self.read("out-rescued.png"), b"of last time")
        decode_png(self.read("out-rescued-2.png"))

    def test_a_folder_that_went_away(self):
        for variable in ("TMPDIR", "XDG_STATE_HOME"):
            with self.subTest(variable=variable):
                os.mkdir(self.path("sub"))
                self.out = self.path("sub/out.png")
                places = {"TMPDIR": "/proc/nowhere", "XDG_STATE_HOME": "/proc/nowhere", variable: self.path(variable)}
                errors = self.run_until(lambda: shutil.rmtree(self.path("sub")), **places)
                place = errors.rsplit("the picture is in ")[1].strip()
                self.assertTrue(place.startswith(self.path(variable) + "/swag-"), errors)
                self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(place)).st_mode), 0o700)
                with open(place, "rb") as f:
                    decode_png(f.read())

    def test_a_grid_that_is_too_large_for_its_format_does_not_end_the_run(self):
        wide = self.write("wide.png", png(20000, 1))
        result = self.stylise("--grid", self.path("grid.png"))
        self.assertTrue(os.path.exists(self.path("grid.png")), result.stderr)
        grid = self.swag(self.content, wide, "-o", self.out, "--overwrite", "--grid", self.path("wide_grid.png"), *FAST,
                         *ONE_LAYER)
        self.assertEqual(grid.returncode, 0, grid.stderr)
        self.assertEqual(decode_png(self.read("wide_grid.png"))[:2], (48 + 8 + 96 + 8 + 48, 36))

    def test_a_picture_on_the_way_that_fails_does_not_end_the_run(self):
        errors = self.run_until(lambda: os.mkdir(self.path("out-0040.png")), "--save-every", "20")
        self.assertIn("out-0040.png", errors)
        for name in ("out-0020.png", "out.png"):
            decode_png(self.read(name))


if __name__ == "__main__":
    cli_case.main("build/swag")

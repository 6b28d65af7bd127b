#!/usr/bin/env python3
"""Fuzzes the whole program: runs it on changed pictures, weights, options and arguments.

    tests/fuzz/program.py [--seconds 60] [--seed 1] [--found FOLDER] build/swag

A run must end in time and in memory with one of the exit codes that swag.h has but "internal error", say one or two
printable lines when it fails, leave the inputs as they were and nothing but a whole picture beside them. A run that does
not leaves its folder and its command in FOLDER, and the exit status is 1.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cli")]
import mutations  # noqa: E402
import seeds  # noqa: E402
from cli_files import png  # noqa: E402

CODES = {0, 2, 3, 4, 5, 6, 7, 8}
SECONDS_EACH = 60   # the machine may be busy
MEMORY_EACH = 1 << 30
FAST = ["--network", "vgg11", "--weights", "splitmix:1", "--style-layers", "relu1_1", "--content-layers", "relu1_1",
        "--scales", "1", "--size", "24", "-n", "1", "-q"]
MADE = {"out.png", "grid.png", "log.jsonl"}   # what a run may leave


class Fuzzer:
    def __init__(self, program, seed):
        self.program = os.path.abspath(program)
        self.chance = random.Random(seed)
        pictures = [*seeds.pngs(), *seeds.jpegs(), *seeds.bmps(), *seeds.gifs(), *seeds.others()]
        self.pictures = [data for _, data in pictures]
        self.described = [data for _, data in seeds.described([*seeds.pngs(), *seeds.jpegs()])]
        self.weights = [data for _, data in seeds.safetensors()]
        self.options = [data for _, data in seeds.options(self.program)]
        self.arguments = [list(words) for words in seeds.ARGUMENTS]
        self.picture_words = mutations.words_of(HERE / "dictionaries/pictures.dict")
        self.argument_words = mutations.words_of(HERE / "dictionaries/arguments.dict")

    def changed(self, data, words=()):
        return mutations.plain(self.chance, data, words) if words and self.chance.random() < 0.3 else \
            mutations.of_file(self.chance, data)

    def new_run(self):
        """({name: bytes}, arguments): one file or the arguments are changed, the rest is right."""
        chance = self.chance
        files = {"content.png": png(20, 16), "style.png": png(16, 16, 4)}
        command = ["content.png", "style.png", "-o", "out.png", *FAST]
        kind = chance.randrange(6)
        if kind == 0:
            name = chance.choice(("content.png", "style.png"))
            files[name] = self.changed(chance.choice(self.pictures), self.picture_words)
        elif kind == 1:
            files["init.png"] = self.changed(chance.choice(self.pictures), self.picture_words)
            command += ["--init-image", "init.png", "--grid", "grid.png"]
        elif kind == 2:
            files["w.safetensors"] = self.changed(chance.choice(self.weights))
            command = chance.choice((command + ["--weights", "w.safetensors"], ["model", "info", "w.safetensors"],
                                     ["model", "verify", "w.safetensors"]))
        elif kind == 3:
            files["options"] = self.changed(chance.choice(self.options + self.described))
            command = command[:4] + ["--options-from", "options", "-n", "1", "--scales", "1", "--size", "24", "-q"]
            # The networks that are slow on a busy machine, and layers of any.
            command += ["--network", "vgg11", "--weights", "splitmix:1"]
        else:
            command = self.changed_arguments(command)
        return files, command

    def changed_arguments(self, command):
        chance = self.chance
        command = command + ["--log", "log.jsonl"] * chance.randrange(2)
        for _ in range(chance.randint(1, 3)):
            i = chance.randrange(len(command) + 1)
            kind = chance.randrange(4)
            if kind == 0 and i < len(command):
                del command[i]
            elif kind == 1:
                command[i:i] = chance.choice(self.arguments)
            elif kind == 2:
                command.insert(i, chance.choice(self.argument_words).decode("latin-1").strip())
            elif i < len(command) and command[i] not in FAST:
                word = mutations.plain(chance, os.fsencode(command[i])).replace(b"\0", b"").replace(b"/", b"")
                command[i] = os.fsdecode(word)
        # What is asked for may be long work; a later -n and --size win.
        small = ["-n", "1", "--size", "24", "--scales", "1", "--network", "vgg11"]
        return [word.replace("\0", "") for word in command] + small

    def run(self, folder, files, command):
        """What is wrong with the run, or "". The program sees the folder as its current one."""
        for name, data in files.items():
            (folder / name).write_bytes(data)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "OPENBLAS_NUM_THREADS": "1"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            environment[name] = os.environ.get(name, "")
        with open(folder / ".out", "wb") as out, open(folder / ".err", "wb") as err:
            process = subprocess.Popen(
                [self.program, *command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
            end = time.monotonic() + SECONDS_EACH
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > end:
                    process.kill()
                    os.wait4(process.pid, 0)
                    process.returncode = -9
                    return f"no end after {SECONDS_EACH} s"
                time.sleep(0.002)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        stdout, stderr = ((folder / name).read_bytes() for name in (".out", ".err"))
        return (self.wrong_answer(code, stdout, stderr, command) or self.wrong_files(folder, files, code)
                or (f"{usage.ru_maxrss >> 10} MiB of memory" if usage.ru_maxrss << 10 > MEMORY_EACH else ""))

    def wrong_answer(self, code, stdout, stderr, command):
        lines = stderr.decode("utf-8", "replace").splitlines()
        if code not in CODES:
            return f"exit code {code}: {stderr[-2000:]}"
        if any(byte < 32 and byte != 10 or byte == 127 for byte in stderr) or len(stderr) > 10000:
            return f"not printable, or long: {stderr[:500]!r}"
        if code in (0, 7):
            return ""
        if len(lines) not in (1, 2) or not lines[0].startswith("swag: "):
            return f"exit code {code} with {len(lines)} lines: {stderr[:500]!r}"
        return f"exit code {code}, but words on stdout" if stdout and command[0] != "model" else ""

    def wrong_files(self, folder, files, code):
        for name, data in files.items():
            if (folder / name).read_bytes() != data:
                return f"{name} was changed"
        left = set(os.listdir(folder)) - set(files) - {".out", ".err"}
        if any(name.startswith(".swag") or name.endswith(".part") for name in left):
            return f"left behind: {sorted(left)}"
        if code not in (0, 7) and left & {"out.png", "grid.png"}:
            return f"exit code {code}, but {sorted(left)}"
        for name in left:
            data = (folder / name).read_bytes() if (folder / name).is_file() else b""
            if name.endswith(".png") and not (data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")):
                return f"{name} is no whole picture"
        return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--found", default="found")
    parser.add_argument("program")
    args = parser.parse_args()
    fuzzer, executions, failures, end = Fuzzer(args.program, args.seed), 0, 0, time.monotonic() + args.seconds
    while time.monotonic() < end and failures < 10:
        files, command = fuzzer.new_run()
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            problem = fuzzer.run(folder, files, command)
            executions += 1
            if problem:
                failures += 1
                kept = pathlib.Path(args.found, f"program-{args.seed}-{executions}")
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                (kept / ".command").write_text(repr(command) + "\n" + problem + "\n", errors="surrogateescape")
                print(f"{kept}: {command}: {problem}".encode("utf-8", "replace").decode(), flush=True)
    print(f"{executions} executions, {failures} found, seed {args.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

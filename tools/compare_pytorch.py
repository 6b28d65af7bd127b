#!/usr/bin/env python3
"""Times swag and PyTorch side by side, in alternation, so that a drift of the machine touches both. Prints tables, and with
--json a file of every figure. Needs the standard library; PyTorch is asked in processes of its own.

    tools/compare_pytorch.py evaluation --networks vgg19,resnet50 --size 512 --rounds 5
    tools/compare_pytorch.py run --networks vgg19 --size 512 --iterations 300
    tools/compare_pytorch.py evaluation --device cuda --variants channels_last,tf32,compile,half
    tools/compare_pytorch.py evaluation --torch 1.13=/usr/bin/python3 --torch newest=venv/bin/python3

evaluation   one forward pass of the image, the losses and the pixel gradient: medians, and per round the ratio to swag
run          L-BFGS from the content picture, the same weights and pictures on both sides: seconds from the end of the first
             evaluation until the loss is as low as both sides reach
convolutions every distinct convolution of an evaluation, both directions, apart: ours from `swag bench ops`, theirs (on a GPU
             cuDNN's) repeated in a process after it
variants     plain, channels_last, tf32, half, bfloat16, compile: words joined by + are put together (channels_last+half)
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

COMPETITOR = pathlib.Path(__file__).resolve().parent / "pytorch_competitor.py"
SEED = "splitmix:7"   # pytorch_competitor.py makes the same weights


def last_json(command, **more):
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True, **more).stdout
    return json.loads(out.splitlines()[-1])


class Competitor:
    """One PyTorch in one of its variants."""

    def __init__(self, args, torch, variant):
        self.name, _, self.python = torch.rpartition("=")
        self.args, self.variant = args, variant
        self.version = ""

    def label(self):
        return f"PyTorch {self.version or self.name}, {self.variant.replace('+', ', ').replace('_', ' ')}"

    def ask(self, *command, **more):
        words = self.variant.split("+")
        options = ["--device", self.args.device, "--threads", self.args.threads]
        options += ["--channels-last"] if "channels_last" in words else []
        options += ["--compile", self.args.compile_mode] if "compile" in words else []
        for precision in ("tf32", "half", "bfloat16"):
            options += ["--precision", precision] if precision in words else []
        environment = dict(os.environ, OMP_NUM_THREADS=str(self.args.threads))
        result = last_json([self.python, COMPETITOR, *command, *options], env=environment, **more)
        self.version = result["version"]
        return result


class Swag:
    def __init__(self, args):
        self.args = args

    def label(self):
        return "swag"

    def options(self, network):
        return ["--network", network, "--device", self.args.device, "--threads", str(self.args.threads), *self.args.swag_options]

    def evaluation(self, network):
        command = [self.args.swag, "bench", "network", "--size", self.args.size, "--repeat", self.args.repeat, "--json"]
        out = subprocess.run([str(word) for word in command + self.options(network)], check=True, stdout=subprocess.PIPE,
                             text=True).stdout.splitlines()
        summary = json.loads(out[-1])
        return {"ms": [json.loads(line)["ms"] for line in out[:-1]], "peak_bytes": summary["peak_bytes"]}

    def run(self, network, content, style, folder):
        log = folder / "swag.jsonl"
        command = [self.args.swag, content, style, "-o", folder / "out.png", "--overwrite", "--log", log, "--no-resize",
                   "--scales", "1", "--weights", SEED, "--smoothing", "none", "--loss", "balanced", "--content-weight", "1",
                   "--style-weight", "1000", "--tv-weight", "0", "--optimizer", "lbfgs", "--history", "10", "--init", "content",
                   "--iterations", self.args.iterations, "--quiet"]
        subprocess.run([str(word) for word in command + self.options(network)], check=True)
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return {"curve": [[entry["seconds"] - entries[0]["seconds"], entry["loss"]] for entry in entries]}


def known(args, row):
    """A row as soon as there is one."""
    if args.lines:
        print(json.dumps(row), flush=True)


def spread(values, form="{:.0f}"):
    return f"{form.format(statistics.median(values))} ({form.format(min(values))}-{form.format(max(values))})"


def compare_evaluations(args, network):
    sides = [Swag(args)] + args.competitors
    rounds = {side: [] for side in sides}
    for _ in range(args.rounds):
        for side in sides:
            if isinstance(side, Swag):
                rounds[side].append(side.evaluation(network))
            else:
                rounds[side].append(side.ask("evaluation", "--network", network, "--size", args.size, "--repeat", args.repeat))
    ours = [statistics.median(one["ms"]) for one in rounds[sides[0]]]
    rows = []
    for side in sides:
        theirs = [statistics.median(one["ms"]) for one in rounds[side]]
        ratios = [a / b for a, b in zip(theirs, ours)]
        rows.append({"network": network, "size": args.size, "side": side.label(), "ms": [one["ms"] for one in rounds[side]],
                     "median_ms": statistics.median(theirs), "times_swag": ratios,
                     "peak_bytes": max(one["peak_bytes"] for one in rounds[side])})
        known(args, rows[-1])
        print(f"{network:>10} {args.size:5} {side.label():44} {spread(theirs, '{:.1f}'):>26} ms  "
              f"{spread(ratios, '{:.2f}'):>18} x swag  peak {rows[-1]['peak_bytes'] / 2**20:7.0f} MiB", flush=True)
    return rows


def seconds_to(curve, loss):
    """Seconds until the best loss so far is as low; None when it never is."""
    return next((seconds for seconds, value in curve if value <= loss), None)


def compare_runs(args, network):
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        content, style = folder / "content.ppm", folder / "style.ppm"
        subprocess.run([args.competitors[0].python, COMPETITOR, "pictures", "--size", str(args.size), content, style], check=True)
        swag = Swag(args)
        for competitor in args.competitors:
            for _ in range(args.rounds):
                ours = swag.run(network, content, style, folder)["curve"]
                theirs = competitor.ask("run", "--network", network, "--content", content, "--style", style,
                                        "--iterations", args.iterations)["curve"]
                lowest = [min(loss for _, loss in curve) for curve in (ours, theirs)]
                both = max(lowest)
                times = [seconds_to(curve, both) for curve in (ours, theirs)]
                rows.append({"network": network, "size": args.size, "side": competitor.label(), "iterations": args.iterations,
                             "first_loss": [ours[0][1], theirs[0][1]], "lowest_loss": lowest, "loss": both, "seconds": times,
                             "seconds_of_all": [ours[-1][0], theirs[-1][0]], "evaluations": [len(ours), len(theirs)],
                             "times_swag": times[1] / times[0]})
                known(args, rows[-1])
                print(f"{network:>10} {args.size:5} {competitor.label():44} loss {ours[0][1]:.4g} to {both:.4g}: swag {times[0]:.2f} s, "
                      f"PyTorch {times[1]:.2f} s, {times[1] / times[0]:.2f} x swag; lowest {lowest[0]:.4g}, {lowest[1]:.4g}; "
                      f"evaluations {len(ours)}, {len(theirs)}", flush=True)
    return rows


def convolution_of(entry):
    """Of a line of `swag bench ops --json`: "64x64x256 to 64x64x64, 3x3, stride 2, pad 1"."""
    shape = re.fullmatch(r"(\d+)x(\d+)x(\d+) to \d+x\d+x(\d+), (\d+)x(\d+), stride (\d+)x(\d+), pad (\d+)x(\d+)", entry["shape"])
    h, w, c_in, c_out, kh, kw, *rest = map(int, shape.groups())
    return {"h": h, "w": w, "c_in": c_in, "c_out": c_out, "kh": kh, "kw": kw, "stride": rest[:2], "pad": rest[2:],
            "direction": entry["op"].replace("conv2d_", "")}


def compare_convolutions(args, network):
    command = [args.swag, "bench", "ops", "--size", args.size, "--repeat", args.repeat, "--json", *Swag(args).options(network)]
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = [entry for entry in map(json.loads, out.splitlines()) if entry.get("op", "").startswith("conv2d_")]
    shapes = json.dumps([convolution_of(entry) for entry in entries])
    rows = [{"network": network, "size": args.size, "op": entry["op"], "shape": entry["shape"], "calls": entry["calls"],
             "swag_ms": entry["ms"]} for entry in entries]
    for competitor in args.competitors:
        theirs = competitor.ask("convolutions", input=shapes)["ms"]
        for row, milliseconds in zip(rows, theirs):
            row[competitor.label()] = milliseconds
            known(args, {key: row[key] for key in ("network", "size", "op", "shape", "calls", "swag_ms")} |
                  {"side": competitor.label(), "ms": milliseconds})
        total = [sum(row["calls"] * row[key] for row in rows) for key in ("swag_ms", competitor.label())]
        print(f"{network:>10} {args.size:5} {competitor.label():44} all convolutions: swag {total[0]:.3f} ms, PyTorch {total[1]:.3f} ms, "
              f"{total[1] / total[0]:.2f} x swag")
        for row in rows:
            print(f"{row['op']:>24} {row['shape']:60} {row['swag_ms']:9.4f} ms, PyTorch {row[competitor.label()]:9.4f} ms, "
                  f"{row[competitor.label()] / row['swag_ms']:5.2f} x swag")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["evaluation", "run", "convolutions"])
    parser.add_argument("--swag", default="build/swag")
    parser.add_argument("--swag-options", default="", help="for swag alone, as one word")
    parser.add_argument("--networks", default="vgg19,resnet50")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--torch", action="append", metavar="NAME=PYTHON", help="a Python that has torch; several times for several")
    parser.add_argument("--variants", default="plain,channels_last")
    parser.add_argument("--compile-mode", default="default", help="of torch.compile")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=3, help="evaluations of a round")
    parser.add_argument("--rounds", type=int, default=0, help="[5 of evaluation, 1 of run]")
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--lines", action="store_true", help="each row as a line of JSON too, as soon as it is known")
    args = parser.parse_args()
    args.rounds = args.rounds or (5 if args.what == "evaluation" else 1)
    args.swag_options = args.swag_options.split()
    args.competitors = [Competitor(args, torch, variant) for torch in args.torch or [sys.executable]
                        for variant in args.variants.split(",")]
    rows = []
    for network in args.networks.split(","):
        compare = {"evaluation": compare_evaluations, "run": compare_runs, "convolutions": compare_convolutions}[args.what]
        rows += compare(args, network)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"compare_pytorch.py: {error}")

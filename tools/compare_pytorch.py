#!/usr/bin/env python3
"""Times one evaluation (forward, losses, pixel gradient) of swag and of PyTorch side by side, in alternation, so that a
drift of the machine touches both. Needs torch and torchvision, any version since 1.13, in the Python it runs in.

    tools/compare_pytorch.py [--swag build/swag] [--networks vgg19,resnet50] [--size 512] [--threads 2] [--rounds 5]

Every round is a fresh process on each side with `--repeat` evaluations after a warm-up; printed are the medians over all
evaluations, the ratio of the medians round by round, and the peak memory of the processes.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def torch_side(network, size, threads, repeat, channels_last):
    """The other side, in a process of its own: what an autograd user writes. Prints one line of JSON."""
    import resource
    import time

    import torch
    import torchvision.models as models
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = getattr(models, network)(weights=None).eval()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = net.to(memory_format=layout)

    def features(x):
        taps = []
        if network.startswith("vgg"):
            style, content = (1, 6, 11, 20, 29), 22   # relu1_1 ... relu5_1, relu4_2 of vgg19
            for i, layer in enumerate(net.features[:30]):
                x = layer(x)
                if i in style:
                    taps.append(x)
                if i == content:
                    content_map = x
        else:
            x = net.relu(net.bn1(net.conv1(x)))
            taps.append(x)
            x = net.maxpool(x)
            for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
                x = stage(x)
                taps.append(x)
            content_map = taps[3]
        return taps, content_map

    def gram(f):
        f = f.flatten(2)[0]
        return f @ f.T / f.shape[1]

    def noise():
        return (torch.rand(1, 3, size, size) * 4 - 2).contiguous(memory_format=layout)

    with torch.no_grad():
        targets = [gram(f) for f in features(noise())[0]]
        content = features(noise())[1].clone()
    x = noise().requires_grad_(True)
    milliseconds = []
    for i in range(repeat + 1):
        start = time.perf_counter()
        x.grad = None
        taps, content_map = features(x)
        loss = ((content_map - content) ** 2).mean() / content.var(unbiased=False)
        for f, target in zip(taps, targets):
            loss = loss + ((gram(f) - target) ** 2).mean() / (target ** 2).mean() / len(taps)
        loss.backward()
        if i > 0:
            milliseconds.append((time.perf_counter() - start) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"version": torch.__version__, "ms": milliseconds, "peak_bytes": peak}))


def swag_side(args, network):
    command = [args.swag, "bench", "network", "--network", network, "--size", str(args.size), "--threads",
               str(args.threads), "--repeat", str(args.repeat), "--json"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    summary = json.loads(lines[-1])
    return {"ms": [summary["ms_median"]], "peak_bytes": summary["peak_bytes"]}


def run_torch(args, network, layout):
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    command = [sys.executable, __file__, "--torch-side", network, layout, "--size", str(args.size), "--threads",
               str(args.threads), "--repeat", str(args.repeat)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def compare(args, network):
    sides = {"swag": [], "nchw": [], "channels_last": []}
    version = ""
    for _ in range(args.rounds):
        sides["swag"].append(swag_side(args, network))
        for layout in ("nchw", "channels_last"):
            sides[layout].append(run_torch(args, network, layout))
            version = sides[layout][-1]["version"]
    medians = {side: [statistics.median(round_["ms"]) for round_ in rounds] for side, rounds in sides.items()}
    peaks = {side: max(round_["peak_bytes"] for round_ in rounds) for side, rounds in sides.items()}
    for side, values in medians.items():
        name = "swag" if side == "swag" else f"torch {version} {side}"
        ratios = [theirs / ours for theirs, ours in zip(values, medians["swag"])]
        print(f"{network:>10} {args.size} {name:32} {statistics.median(values):8.0f} ms "
              f"({min(values):.0f}-{max(values):.0f})  {statistics.median(ratios):5.2f} x swag "
              f"({min(ratios):.2f}-{max(ratios):.2f})  peak {peaks[side] / 2**20:6.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swag", default="build/swag")
    parser.add_argument("--networks", default="vgg19,resnet50")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch-side", nargs=2, metavar=("NETWORK", "LAYOUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch_side:
        torch_side(args.torch_side[0], args.size, args.threads, args.repeat, args.torch_side[1] == "channels_last")
        return
    for network in args.networks.split(","):
        compare(args, network)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes tests/golden: three small pictures and, for a choice of networks, smoothings and losses, what tools/reference.py
computes for them in float64. What is there stays: take away what is to be made anew. Needs torch, torchvision, numpy and Pillow.

    tools/make_goldens.py [--out tests/golden]
"""
import argparse
import pathlib
import subprocess
import sys

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = "7"
# network, smoothing, temperature, loss, style weight, style loss
CASES = [
    ("vgg19", "none", "1", "paper", "balance", "gram"),
    ("vgg19", "none", "1", "authors", "balance", "gram"),
    ("vgg19", "none", "1", "balanced", "10", "gram"),
    ("vgg19", "softmax", "20", "paper", "balance", "gram"),
    ("vgg19", "softmax", "auto", "balanced", "10", "gram"),
    ("vgg19", "channel", "auto", "balanced", "10", "gram"),
    ("vgg19", "scale", "1000", "authors", "balance", "gram"),
    ("resnet50", "none", "1", "paper", "balance", "gram"),
    ("resnet50", "softmax", "1", "paper", "balance", "gram"),
    ("resnet50", "softmax", "auto", "balanced", "10", "gram"),
    ("resnet50", "channel", "1", "paper", "balance", "gram"),
    ("resnet50", "scale", "1000", "authors", "balance", "gram"),
    ("noresnet50", "softmax", "auto", "balanced", "10", "gram"),
    ("wide_resnet50_2", "softmax", "20", "paper", "balance", "gram"),
    ("resnet18", "none", "1", "balanced", "10", "gram"),
    ("resnet34", "softmax", "auto", "balanced", "10", "gram"),
    ("vgg11", "channel", "1", "paper", "balance", "gram"),
    ("vgg16_bn", "none", "1", "balanced", "10", "gram"),
    ("vgg19", "none", "1", "mse", "balance", "gram"),
    ("vgg16", "none", "1", "mse", "balance", "wasserstein"),
    ("vgg19", "none", "1", "balanced", "10", "wasserstein"),
    ("resnet18", "softmax", "auto", "balanced", "10", "wasserstein"),
    ("vgg11", "channel", "1", "paper", "balance", "wasserstein"),
]


def make_pictures(out):
    if (out / "image_96x72.png").exists():
        return
    content = Image.open(ROOT / "assets/content.jpg").resize((96, 72), Image.LANCZOS)
    style = Image.open(ROOT / "assets/style.jpg").resize((80, 100), Image.LANCZOS)
    content.save(out / "content_96x72.png")
    style.save(out / "style_80x100.png")
    Image.blend(content, style.resize(content.size), 0.3).save(out / "image_96x72.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden")
    out = parser.parse_args().out
    make_pictures(out)
    for network, smoothing, temperature, loss, style_weight, style_loss in CASES:
        suffix = "" if style_loss == "gram" else f"_{style_loss}"
        name = f"{network}_{smoothing}_T{temperature}_{loss}{suffix}.safetensors"
        if (out / name).exists():
            continue
        subprocess.run([sys.executable, ROOT / "tools/reference.py", "golden", "--network", network, "--seed", SEED,
                        "--content", out / "content_96x72.png", "--style", out / "style_80x100.png",
                        "--image", out / "image_96x72.png", "--smoothing", smoothing, "--temperature", temperature,
                        "--loss", loss, "--style-loss", style_loss, "--style-weight", style_weight,
                        "--out", out / name], check=True)


if __name__ == "__main__":
    main()

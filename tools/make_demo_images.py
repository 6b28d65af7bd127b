#!/usr/bin/env python3
"""Makes the two pictures that `make demo` uses: assets/content.jpg and assets/style.jpg.

The content is a photograph-like view of a mountain lake (768 x 576), the style a painting of some thousand
brush strokes (768 x 768). Both are computed from noise and geometry alone, with fixed seeds: the same numpy
and Pillow give the same pictures. Needs python3 with numpy and Pillow; takes about a minute on one idle core.

    tools/make_demo_images.py                       both pictures, into assets/
    tools/make_demo_images.py --style my.png        only the painting
    tools/make_demo_images.py --size 384            smaller ones, for a quick look
"""

import argparse
import pathlib
import time

from demo_images import landscape, painting

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--content", metavar="OUT", type=pathlib.Path, help="write only the landscape, here")
    parser.add_argument("--style", metavar="OUT", type=pathlib.Path, help="write only the painting, here")
    parser.add_argument("--size", type=int, default=768, help="width in pixels, a multiple of 4 (768)")
    options = parser.parse_args()
    if options.size < 128 or options.size % 4:
        parser.error(f"--size is {options.size}, but must be a multiple of 4 and at least 128")
    both = options.content is None and options.style is None
    jobs = ((landscape.render, options.content or (ASSETS / "content.jpg" if both else None), 91),
            (painting.render, options.style or (ASSETS / "style.jpg" if both else None), 87))
    for render, path, quality in jobs:
        if path is None:
            continue
        start = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        render(options.size).save(path, quality=quality, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1000} kB, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()

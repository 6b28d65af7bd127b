#!/usr/bin/env python3
"""Makes the pictures in assets/, which are all our own: what `make demo` uses, and three more to try.

    content.jpg      a photograph-like view of a mountain lake (768 x 576), for `make demo`
    style.jpg        a painting of some thousand brush strokes (768 x 768), for `make demo`
    portrait.jpg     a woman by a window, head and shoulders (512 x 640), a content
    still_life.jpg   a jug and fruit on a table (640 x 480), a content
    graphic.jpg      a print from six flat inks (576 x 576), a style

All are computed from noise and geometry alone, with fixed seeds: the same numpy and Pillow give the same pictures.
Needs python3 with numpy and Pillow; takes about two minutes on one idle core.

    tools/make_demo_images.py                           all pictures, into assets/
    tools/make_demo_images.py style graphic             only these
    tools/make_demo_images.py portrait --size 256 --into /tmp   a smaller one, for a quick look
"""

import argparse
import pathlib
import time

from demo_images import graphic, landscape, painting, portrait, still_life

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"
# what renders it, width in pixels, quality of the JPEG
PICTURES = {"content": (landscape.render, 768, 91), "style": (painting.render, 768, 87),
            "portrait": (portrait.render, 512, 92), "still_life": (still_life.render, 640, 90),
            "graphic": (graphic.render, 576, 70)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"which to make (all): {', '.join(PICTURES)}")
    parser.add_argument("--into", metavar="FOLDER", type=pathlib.Path, default=ASSETS, help="where to (assets/)")
    parser.add_argument("--size", type=int, help="width in pixels, a multiple of 4 (each picture's own)")
    options = parser.parse_args()
    for name in options.names:
        if name not in PICTURES:
            parser.error(f"there is no picture {name}; choose from {', '.join(PICTURES)}")
    if options.size is not None and (options.size < 128 or options.size % 4):
        parser.error(f"--size is {options.size}, but must be a multiple of 4 and at least 128")
    options.into.mkdir(parents=True, exist_ok=True)
    for name in options.names or PICTURES:
        render, width, quality = PICTURES[name]
        start, path = time.monotonic(), options.into / f"{name}.jpg"
        render(options.size or width).save(path, quality=quality, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1000} kB, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()

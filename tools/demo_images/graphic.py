"""A style picture: a print from six flat inks, cut like lino. Birds and a sun over hills, houses and leaves.

Places are fractions of the picture, y down. There are no shades: what is lighter was cut out, with a gouge."""

import numpy as np
from PIL import Image, ImageDraw

PAPER, INK, RED = (243, 231, 206), (24, 33, 58), (205, 62, 42)
GOLD, TEAL, PALE = (236, 170, 52), (28, 116, 122), (150, 196, 178)
SUN = (0.66, 0.30)
FINE = 4  # drawn so many times as large, then reduced


class Sheet:
    """A square print: shapes are points (n, 2) in fractions, each in one ink."""

    def __init__(self, size):
        self.n = size * FINE
        self.image = Image.new("RGB", (self.n, self.n), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def shape(self, points, ink):
        self.draw.polygon([tuple(p) for p in np.asarray(points) * self.n], fill=ink)

    def disc(self, x, y, r, ink):
        self.draw.ellipse([(x - r) * self.n, (y - r) * self.n, (x + r) * self.n, (y + r) * self.n], fill=ink)

    def gouge(self, at, angle, length, width, ink):
        """A cut that begins and ends in a point, its middle at `at`."""
        self.shape(placed(lens(length, width), at, angle), ink)


def lens(length, width, belly=0.0):
    """Outline of a leaf along x, pointed at both ends; belly > 0 moves its widest place forwards."""
    t = np.linspace(0, 1, 30)
    half = 0.5 * width * np.sin(np.pi * t ** (1 + belly)) ** 0.9
    upper = np.stack([(t - 0.5) * length, -half], 1)
    return np.concatenate([upper, (upper * (1, -1))[::-1]])


def placed(points, at, angle, scale=1.0):
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points) @ np.array(((c, s), (-s, c))) * scale + at


def rounded(points, steps=12):
    """A closed curve through the points."""
    p = np.asarray(points, float)
    a, b, c, d = (np.roll(p, k, 0)[:, None] for k in (1, 0, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    return (b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))).reshape(-1, 2)


def sky(sheet, rng):
    """Red, with rings of cuts that run round the sun, longer and rarer the farther out."""
    sheet.shape(((0, 0), (1, 0), (1, 0.75), (0, 0.75)), RED)
    for ring in range(17):
        r = 0.205 + 0.045 * ring
        count = int(2 * np.pi * r / 0.085)
        for k in range(count):
            turn = 2 * np.pi * (k + 0.5 * (ring % 2)) / count + rng.normal(0, 0.01)
            at = SUN[0] + r * np.cos(turn), SUN[1] + r * np.sin(turn)
            sheet.gouge(at, turn + np.pi / 2, rng.uniform(0.055, 0.075), 0.0095, GOLD if ring % 3 == 0 else PAPER)
    rays = 28
    for k in range(rays):
        turn = 2 * np.pi * k / rays
        tip = 0.185 if k % 2 else 0.165
        wedge = [(0.118, -0.011), (tip, 0), (0.118, 0.011)]
        sheet.shape(placed(wedge, SUN, turn), GOLD if k % 2 else PAPER)
    sheet.disc(*SUN, 0.108, GOLD)
    for r, ink in ((0.082, PAPER), (0.074, GOLD), (0.050, RED), (0.042, GOLD)):
        sheet.disc(*SUN, r, ink)


def hill(sheet, crest, ink, cut, rng, rows, slant, low=1.0):
    """Ground under the curve crest(x), hatched by cuts in rows that follow it."""
    x = np.linspace(0, 1, 200)
    sheet.shape(np.concatenate([np.stack([x, crest(x)], 1), [(1, low), (0, low)]]), ink)
    for row in range(rows):
        depth = 0.024 + 0.026 * row
        x = rng.uniform(0, 0.04)
        while x < 1:
            long = rng.uniform(0.035, 0.065) * (1 + 0.05 * row)
            y, tilt = crest(x) + depth, np.arctan(200 * (crest(x + 0.0025) - crest(x - 0.0025)))
            sheet.gouge((x, y), tilt + slant, long, 0.0085, cut)
            x += long + 0.014


def house(sheet, x, y, w, h, wall, roof, lit):
    sheet.shape(((x, y), (x + w, y), (x + w, y - h), (x, y - h)), wall)
    sheet.shape(((x - 0.14 * w, y - h), (x + 1.14 * w, y - h), (x + 0.5 * w, y - h - 0.75 * w)), roof)
    side = 0.2 * w
    for k in range(2):
        for row in range(int(h / (2.1 * side))):
            left, top = x + w * (0.2 + 0.4 * k), y - h + side * (0.5 + 2.1 * row)
            right, low = left + side, top + 1.3 * side
            sheet.shape(((left, top), (right, top), (right, low), (left, low)), lit)


def bird(sheet, at, scale, angle, flip, ink, cut):
    """A swallow with both wings spread, its feathers cut out one by one."""
    mirror = np.array((1, flip))

    def put(points):
        return placed(np.asarray(points) * mirror, at, angle, scale)

    tail = rounded([(-0.20, 0.0), (-0.62, -0.15), (-0.40, 0.01), (-0.66, 0.12), (-0.22, 0.06)])
    far = rounded([(0.12, -0.04), (0.06, -0.34), (-0.10, -0.60), (-0.34, -0.80), (-0.24, -0.50), (-0.14, -0.2),
                   (-0.12, 0.0)])
    near = rounded([(0.16, 0.06), (0.06, 0.34), (-0.12, 0.58), (-0.42, 0.74), (-0.36, 0.44), (-0.26, 0.22),
                    (-0.14, 0.06)])
    body = rounded([(0.36, -0.02), (0.26, -0.085), (0.08, -0.085), (-0.20, -0.02), (-0.30, 0.03), (-0.16, 0.085),
                    (0.10, 0.10), (0.28, 0.06)])
    for part in (tail, far, near, body):
        sheet.shape(put(part), ink)
    sheet.shape(put([(0.33, -0.05), (0.46, 0.0), (0.33, 0.03)]), GOLD)
    for side in (-1, 1):
        for k in range(6):  # feathers, fanned along each wing
            t = k / 5
            root = np.array((0.04 - 0.20 * t, side * (0.20 + 0.36 * t)))
            turn = side * (2.6 - 0.35 * t)
            root = root + 0.06 * np.array((np.cos(turn), np.sin(turn) * 0.3))
            sheet.shape(put(placed(lens(0.20, 0.035), root, turn)), cut)
    for k in range(5):
        sheet.shape(put(placed(lens(0.075, 0.028), (0.14 - 0.075 * k, 0.045), 0.2)), cut)
    eye = put([(0.27, -0.025)])[0]
    sheet.disc(*eye, 0.020 * scale, cut)


def leaf(sheet, at, angle, length, width, ink, cut):
    """A leaf on its stalk at `at`, with a midrib and veins cut out."""
    def put(points):
        return placed(np.asarray(points) + (0.5 * length, 0), at, angle)

    sheet.shape(put(lens(length, width, 0.25)), ink)
    sheet.shape(put(lens(0.86 * length, 0.045 * width + 0.003)), cut)
    for k in range(1, 7):
        t = k / 7.5 - 0.44
        for side in (-1, 1):
            reach = 0.36 * width * np.sin(np.pi * np.clip(t + 0.5, 0, 1)) ** 0.8
            vein = placed(lens(reach * 1.25, 0.007), (t * length + 0.45 * reach, side * 0.55 * reach), side * 0.85)
            sheet.shape(put(vein), cut)


def twig(sheet, foot, angle, length, bend, leaves, ink, cut, size):
    """A bent stem with leaves in pairs, small towards the tip."""
    t = np.linspace(0, 1, 40)
    turn = angle + bend * t
    spine = np.asarray(foot) + np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), 0) * length / 40
    across = np.stack([-np.sin(turn), np.cos(turn)], 1) * (0.0065 * (1 - 0.7 * t))[:, None]
    sheet.shape(np.concatenate([spine + across, (spine - across)[::-1]]), ink)
    for k in range(leaves):
        i = int(39 * (0.22 + 0.74 * k / max(leaves - 1, 1)))
        grown = size * (1 - 0.45 * k / leaves)
        for side in (-1, 1):
            leaf(sheet, spine[i], turn[i] + side * 0.85, grown, 0.38 * grown, ink, cut)
    leaf(sheet, spine[-1], turn[-1], 0.6 * size, 0.24 * size, ink, cut)


def flower(sheet, x, y, r, petal, heart):
    for k in range(9):
        turn = 2 * np.pi * k / 9
        sheet.gouge((x + 0.62 * r * np.cos(turn), y + 0.62 * r * np.sin(turn)), turn, 0.8 * r, 0.42 * r, petal)
    sheet.disc(x, y, 0.32 * r, heart)
    for k in range(6):
        turn = 2 * np.pi * k / 6
        sheet.disc(x + 0.17 * r * np.cos(turn), y + 0.17 * r * np.sin(turn), 0.05 * r, PAPER)


def frame(sheet):
    """A margin of paper with a row of triangles, and a line of ink within."""
    for a, ink in ((0.0, PAPER), (0.040, INK)):
        b, c = 1 - a, 0.040 if a == 0 else 0.048
        for box in ((a, a, b, c), (a, 1 - c, b, b), (a, a, c, b), (1 - c, a, b, b)):
            x0, y0, x1, y1 = box
            sheet.shape(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), ink)
    count = 23
    for k in range(count):
        m, half, base, tip = 0.040 + 0.92 * (k + 0.5) / count, 0.36 * 0.92 / count, 0.034, 0.010
        ink = (RED, TEAL, INK)[k % 3]
        for points in (((m - half, base), (m + half, base), (m, tip)), ((base, m - half), (base, m + half), (tip, m))):
            sheet.shape(points, ink)
            sheet.shape(1 - np.asarray(points), ink)


def render(size=576, seed=3):
    """The print, a square Pillow image."""
    rng = np.random.default_rng(seed)
    sheet = Sheet(size)
    sky(sheet, rng)
    hill(sheet, lambda x: 0.56 - 0.09 * np.sin(5.2 * x + 0.3) - 0.02 * np.sin(13 * x), PALE, TEAL, rng, 7, 0.0)
    hill(sheet, lambda x: 0.66 + 0.07 * np.sin(4.6 * x + 0.2), TEAL, PALE, rng, 8, 0.0)
    for x, w, h, wall, roof in ((0.52, 0.060, 0.070, PAPER, INK), (0.595, 0.055, 0.105, GOLD, INK),
                                (0.665, 0.072, 0.062, PAPER, INK), (0.75, 0.055, 0.090, TEAL, INK),
                                (0.825, 0.065, 0.060, GOLD, INK)):
        y = 0.665 + 0.07 * np.sin(4.6 * (x + 0.5 * w) + 0.2) + 0.012
        house(sheet, x, y, w, h, wall, roof, GOLD if wall == TEAL else INK)
    hill(sheet, lambda x: 0.80 - 0.07 * np.sin(4.0 * x + 0.9), INK, GOLD, rng, 9, 0.0)
    twig(sheet, (0.18, 1.0), -1.80, 0.50, 0.35, 5, GOLD, INK, 0.19)
    twig(sheet, (0.90, 1.00), -1.50, 0.27, -0.30, 3, PAPER, INK, 0.145)
    for x, y, r in ((0.40, 0.870, 0.072), (0.54, 0.835, 0.052), (0.65, 0.885, 0.060)):
        flower(sheet, x, y, r, RED, GOLD)
    bird(sheet, (0.33, 0.275), 0.31, -0.22, 1, INK, PAPER)
    bird(sheet, (0.86, 0.155), 0.13, 0.2, -1, INK, PAPER)
    bird(sheet, (0.50, 0.47), 0.12, -0.5, 1, INK, PAPER)
    frame(sheet)
    return sheet.image.resize((size, size), Image.LANCZOS)

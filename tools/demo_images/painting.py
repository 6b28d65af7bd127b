"""The style picture: whirling evening air over striped fields and flame-shaped trees, stroke by stroke.

Every place of the picture belongs to a region, with a scalar whose contour lines the brush follows, and has
its paint. Large strokes come first, then smaller ones, outlines, and accents."""

import numpy as np
from PIL import Image

from .brush import Canvas, trace
from .noise import blur, fbm, smoothstep

NIGHT, ULTRA, SKY, TEAL = (0.07, 0.11, 0.26), (0.14, 0.27, 0.54), (0.38, 0.57, 0.72), (0.20, 0.48, 0.50)
CREAM, LEMON, OCHRE, ORANGE = (0.95, 0.89, 0.72), (0.94, 0.76, 0.33), (0.79, 0.55, 0.19), (0.87, 0.45, 0.17)
VERMILION, CRIMSON, PLUM = (0.76, 0.23, 0.14), (0.50, 0.11, 0.16), (0.27, 0.10, 0.26)
PINE, LEAF = (0.06, 0.22, 0.19), (0.28, 0.45, 0.18)

# centre x, y, radius of the disc, reach of its whirl, turn of the spiral: sun, moon, two whirls of mere air
SUNS = ((0.42, 0.36, 0.080, 0.24, 0.15), (0.70, 0.13, 0.036, 0.13, -0.20), (0.13, 0.20, 0.0, 0.14, 0.35),
        (0.40, 0.04, 0.0, 0.11, -0.3))
# foot x, foot y, top y, half width, in autumn leaf: the trees, from the back to the front
TREES = ((0.555, 0.74, 0.57, 0.022, False), (0.60, 0.75, 0.53, 0.026, True), (0.17, 0.86, 0.50, 0.050, False),
         (0.09, 0.93, 0.36, 0.066, False), (0.94, 0.97, 0.40, 0.075, True), (0.83, 1.03, 0.22, 0.092, True))
AIR = (NIGHT, ULTRA, TEAL, NIGHT, ULTRA, SKY, TEAL, ULTRA, SKY, CREAM, TEAL, SKY, CREAM, LEMON, SKY, CREAM,
       OCHRE, CREAM, LEMON, ORANGE, OCHRE, VERMILION, ORANGE, CRIMSON)  # from the zenith down to the sunset
SUNLIGHT = (CREAM, CREAM, LEMON, CREAM, LEMON, ORANGE, LEMON, OCHRE, VERMILION, ORANGE, CREAM, OCHRE, LEMON,
            SKY, CREAM)
MOONLIGHT = (CREAM, CREAM, LEMON, SKY, CREAM, TEAL, SKY, ULTRA, CREAM, TEAL, SKY, NIGHT, TEAL, ULTRA, SKY)
EVERGREEN = (PINE, NIGHT, PINE, LEAF, PINE, TEAL, PLUM, NIGHT)
AUTUMN = (PLUM, VERMILION, CRIMSON, ORANGE, VERMILION, OCHRE, CRIMSON, NIGHT)
FIELDS = ((ULTRA, NIGHT, PLUM, NIGHT, TEAL, NIGHT), (OCHRE, VERMILION, LEMON, ORANGE, LEAF, OCHRE),
          (LEAF, TEAL, LEMON, PINE, OCHRE, CREAM, LEAF), (PINE, VERMILION, OCHRE, LEAF, NIGHT, ORANGE))
BROOK = (ULTRA, SKY, CREAM, SKY, TEAL, NIGHT)


class Plan:
    """What the brush is to do, on n x n cells; each part is laid over the former ones.

    region: number of the part; contour: scalar whose contour lines strokes follow; turn: radians off them;
    paint: colour (n, n, 3)."""

    def __init__(self, n):
        self.n = n
        self.y, self.x = np.mgrid[0:n, 0:n].astype(np.float32) / n
        self.region = np.zeros((n, n), np.int32)
        self.turn = np.zeros((n, n), np.float32)
        self._air()
        self._hills()
        self._brook()
        self._trees()

    def _lay(self, where, region, contour, paint):
        self.region[where], self.turn[where] = region, 0
        self.contour[where], self.paint[where] = contour[where], paint[where]

    def _air(self):
        x, y = self.x, self.y
        self.contour = 0.9 * y + 0.18 * x + 0.30 * fbm(x * 1.7, y * 2.1, 3, 41)
        level = np.clip(self.contour * 33 - 2 + 1.6 * fbm(x * 6, y * 6, 2, 42), 0, len(AIR) - 1)
        self.paint = _bands(AIR, level)
        for k, (sx, sy, disc, reach, spiral) in enumerate(SUNS):
            r = np.hypot(x - sx, y - sy) * (1 + 0.10 * fbm(x * 5, y * 5, 2, 43))
            pull = smoothstep(reach, 0.55 * reach, r)
            self.contour = self.contour * (1 - pull) + r * 2.2 * pull
            self.turn += spiral * pull
            ring = np.where(r < disc, 2 * r / max(disc, 1e-3), 2 + (r - disc) / (reach - disc) * 12)
            ring = np.maximum(ring + 1.3 * fbm(x * 7, y * 7, 3, 44), 0)
            if disc > 0:
                paint = _bands((SUNLIGHT, MOONLIGHT)[k], ring)
            else:
                paint = _bands(AIR, level[int(sy * self.n), int(sx * self.n)] + 3 + 4 * np.sin(ring))
            inside = r < reach * (0.80 + 0.35 * fbm(x * 8, y * 8, 2, 45))
            self.paint[inside] = paint[inside]

    def _hills(self):
        x, y = self.x, self.y
        crests = (0.60 + 0.055 * np.sin(6.0 * x + 0.6) + 0.03 * np.sin(15 * x),
                  0.69 - 0.06 * np.sin(4.3 * x - 0.7),
                  0.79 + 0.06 * np.sin(4.8 * x + 2.2), 0.91 - 0.05 * np.sin(5.5 * x + 0.4))
        for k, crest in enumerate(crests):
            below = y > crest + 0.012 * fbm(x * 9, y * 0, 3, 51 + k)
            down = (y - crest) * (1 + 0.9 * (x - 0.5) * (-1) ** k) + 0.02 * fbm(x * 4, y * 4, 3, 61 + k)
            furrow = down * (46 - 5 * k) + 1.2 * fbm(x * 3, y * 3, 2, 71 + k)
            self._lay(below, 1 + k, down, _bands(FIELDS[k], furrow))

    def _brook(self):
        x, y = self.x, self.y
        bend = 0.47 + 0.16 * np.sin(9.5 * (y - 0.60)) * smoothstep(0.66, 0.9, y) + 0.10 * (y - 0.7)
        side = (x - bend) / (0.010 + 0.36 * np.clip(y - 0.69, 0, 1) ** 1.5)
        self._lay((np.abs(side) < 1) & (y > 0.695), 5, side * 0.2, _bands(BROOK, (side + 1) * 3))

    def _trees(self):
        x, y = self.x, self.y
        for k, (foot, low, top, half, autumn) in enumerate(TREES):
            t = np.clip((low - y) / (low - top), -0.2, 1)
            sway = half * 0.30 * np.sin(6 * t + 2 * k) * (0.2 + t)
            wide = half * np.clip(1 - t, 0, 1) ** 0.8 * (0.35 + 2.6 * np.clip(t + 0.06, 0, 0.42))
            wide = wide * (1 + 0.55 * fbm(x * 9 + 9 * k, y * 22 - np.abs(x - foot) * 30, 3, 81 + k))
            u = (x - foot - sway) / np.maximum(wide, 1e-4)
            flame = 0.12 * u + 0.05 * fbm(x * 12, y * 7, 3, 91 + k)
            tint = 4 + 3.2 * u + 3 * fbm(x * 14, y * 9, 2, 97 + k)
            tree = (np.abs(u) < 1) & (t < 1) & (y < low)
            self._lay(tree, 6 + k, flame, _bands(AUTUMN if autumn else EVERGREEN, tint))


def _bands(paints, t):
    """Paint number floor(t) of a cyclic list, (h, w, 3)."""
    return np.asarray(paints, np.float32)[np.floor(t).astype(int) % len(paints)]


def flow_of(plan):
    """Unit field (n, n, 2) along the contour lines, turned by `turn`, and the mask of region borders."""
    region = plan.region
    gy, gx = np.gradient(blur(plan.contour, plan.n / 400))
    cut = np.zeros(region.shape, bool)
    cut[:-1] |= region[:-1] != region[1:]
    cut[:, :-1] |= region[:, :-1] != region[:, 1:]
    keep = 1 - np.clip(blur(cut.astype(np.float32), 1.5) * 6, 0, 1)  # gradients across a border mean nothing
    weight = blur(keep, 3) + 1e-3
    gx, gy = blur(gx * keep, 3) / weight, blur(gy * keep, 3) / weight
    angle = np.arctan2(gx, -gy) + plan.turn
    return np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32), cut


def paint_layer(canvas, plan, flow, spots, width, length, rng, contrast=0.5, dark=None):
    """Strokes at spots (m, 2) in plan cells; each stops where it would leave its region."""
    region, paint, n = plan.region, plan.paint, plan.n
    scale = canvas.size / n
    paths = trace(flow, spots, length * rng.uniform(0.65, 1.3, len(spots)) / scale)
    cells = np.clip(paths.round().astype(int), 0, n - 1)
    owner = region[cells[..., 1], cells[..., 0]]
    middle = paths.shape[1] // 2
    for path, own, cell in zip(paths, owner, cells):
        same = own == own[middle]
        first = middle - np.argmin(np.append(same[middle::-1], False)) + 1
        last = middle + np.argmin(np.append(same[middle:], False))
        if last - first < 4:
            continue
        path = path[first:last] if rng.random() < 0.5 else path[first:last][::-1]
        at = cell[middle]
        body = paint[at[1], at[0]] if dark is None else np.asarray(dark[rng.integers(len(dark))], np.float32)
        dx, dy = rng.normal(0, n * 0.022, 2)
        near = np.clip((int(at[0] + dx), int(at[1] + dy)), 0, n - 1)
        other = paint[near[1], near[0]] if region[near[1], near[0]] == own[middle] else body
        streak = body + contrast * (other - body) + rng.normal(0, 0.05) + rng.normal(0, 0.035, 3)
        body = body * rng.uniform(0.78, 1.22) + rng.normal(0, 0.03, 3)
        canvas.stroke(path * scale, width * rng.uniform(0.7, 1.25), body.astype(np.float32),
                      streak.astype(np.float32), rng)


def scatter(n, pitch, rng):
    """Jittered grid of spots (m, 2), a pitch apart, in random order."""
    y, x = np.mgrid[0:n:pitch, 0:n:pitch]
    spots = np.stack([x.ravel(), y.ravel()], 1) + rng.uniform(0, pitch, (x.size, 2))
    return np.clip(rng.permutation(spots), 0, n - 1.01).astype(np.float32)


def render(size=768, seed=5):
    """The painting as a square Pillow image; painted twice as large, then reduced."""
    rng = np.random.default_rng(seed)
    plan = Plan(640)
    flow, cut = flow_of(plan)
    canvas, unit = Canvas(2 * size, (0.45, 0.24, 0.16)), 2 * size / 768
    # width and length in pixels of a 768 picture, pitch in plan cells, contrast of the streaks
    for width, length, pitch, contrast in ((42, 190, 15, 0.35), (26, 130, 12, 0.5), (16, 90, 11, 0.7)):
        spots = scatter(plan.n, pitch, rng)
        paint_layer(canvas, plan, flow, spots, width * unit, length * unit, rng, contrast)
    y, x = np.nonzero(cut)
    edges = np.stack([x, y], 1)[rng.permutation(x.size)[: x.size // 14]].astype(np.float32)
    paint_layer(canvas, plan, flow, edges, 7 * unit, 70 * unit, rng, 0.2, (NIGHT, PLUM, NIGHT, CRIMSON))
    for width, length, pitch, contrast, share in ((9, 60, 10, 0.9, 0.6), (5, 36, 10, 1.1, 0.45)):
        spots = scatter(plan.n, pitch, rng)
        spots = spots[: int(share * len(spots))]
        paint_layer(canvas, plan, flow, spots, width * unit, length * unit, rng, contrast)
    shown = canvas.lit(seed, unit)
    return Image.fromarray((shown * 255 + 0.5).astype(np.uint8)).resize((size, size), Image.LANCZOS)

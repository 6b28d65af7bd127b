"""A content picture: a glazed jug, a bowl of fruit, a pear, a lemon cut open and grapes, on a cloth by a window.

The table is the plane y = 0; lengths are in units of about 10 cm. Every thing is a shape of its own in SHAPES, with
its paint in PAINTS."""

import numpy as np
from PIL import Image

from . import march
from .landscape import develop
from .march import ball, carve, join, limb
from .noise import fbm, gradient_noise, mix, smoothstep, to_linear

EYE, TARGET, VIEW = (0.2, 3.2, 9.5), (0.05, 0.92, 0.0), 5.2
WINDOW = np.array((-0.70, 0.58, 0.42)) / np.linalg.norm((-0.70, 0.58, 0.42))
WALL, EDGE = -2.6, 2.3  # z of the wall and of the table's near edge
JUG, BOWL = (-1.15, -0.65), (0.72, -0.25)
# centre, radius, and the way the stalk points
APPLES = (((0.42, 0.80, 0.02), 0.37, (-0.25, 0.9, 0.35)), ((0.86, 1.12, -0.42), 0.36, (0.3, 0.9, 0.2)),
          ((-0.62, 0.36, 0.85), 0.37, (-0.3, 0.85, 0.45)))
ORANGES = ((1.08, 0.78, 0.02), (0.36, 0.82, -0.62))
LEMON, HALF = ((1.72, 0.27, 0.75), (0.95, 0.1, -0.35)), ((1.02, 0.26, 1.42), (-0.28, 0.45, 0.85))
GRAPES = (0.18, 0.0, 1.30)


def frame(p, centre, axis):
    """Where p is about an axis through the centre: along it, away from it, and the angle round it."""
    axis = np.array(axis, np.float32) / np.linalg.norm(axis)
    right = np.cross(axis, (0.1, 0.2, 1.0))
    right = right / np.linalg.norm(right)
    q = np.stack([v - np.float32(c) for v, c in zip(p, centre)])
    along, u, v = (np.float32(a) @ q for a in (axis, right, np.cross(axis, right)))
    return along, np.hypot(u, v), np.arctan2(v, u)


def room(p):
    return p[2] - WALL


def table(p):
    return np.maximum(np.maximum(p[1] + 0.02, -0.3 - p[1]), p[2] - EDGE)


def drape(x, z):
    """Height of the cloth's folds over the table; none where things stand on it."""
    u, v = 0.8 * x + 0.6 * z, 0.8 * z - 0.6 * x
    ridge = 1.1 - np.sqrt((2.6 * gradient_noise(u * 0.8 + 0.25 * np.sin(1.3 * v), v * 0.22, 57)) ** 2 + 0.02)
    away = smoothstep(0.35, 0.9, np.hypot(x - BOWL[0], z - BOWL[1]) - 0.3)
    away = away * smoothstep(0.45, 0.85, np.hypot((x - 1.35) * 0.75, z - 1.05))
    away = away * smoothstep(0.35, 0.8, np.hypot(x - 0.2, z - 1.2))
    return 0.15 * np.clip(ridge, 0, 1) ** 2 * away + 0.015 * gradient_noise(x * 2.1, z * 2.1, 51)


def border(x, z):
    """How far inside the cloth's left hem x, z lies, negative outside."""
    return x + 0.95 - 0.22 * (z + 0.2) - 0.05 * np.sin(3 * z)


def cloth(p):
    """A linen cloth over the right of the table, that hangs over the edge."""
    x, y, z = p
    bend = EDGE + 0.06
    flat = y - 0.01 - drape(x, np.minimum(z, bend))
    hang = z - bend - 0.10 * (1 + np.sin(5 * x + 1.3 * np.sin(2 * x)) * np.clip(-y, 0, 1))
    d = np.maximum(flat, hang) * 0.75
    return np.maximum(np.maximum(d, -0.05 - d), -border(x, z))


def jug(p):
    """Thrown on the wheel: belly and neck as one shell, a lip pulled out of the rim, and a handle."""
    x, y, z = p[0] - JUG[0], p[1], p[2] - JUG[1]
    r = np.hypot(x - 0.14 * smoothstep(1.40, 2.05, y) * smoothstep(-0.1, 0.5, x), z)
    neck = 0.31 + 0.12 * smoothstep(1.55, 2.0, y) + 0.08 * smoothstep(1.55, 1.2, y)
    d = (np.hypot(r / 0.72, (y - 0.72) / 0.80) - 1) * 0.66
    d = join(d, np.maximum(r - neck, np.abs(y - 1.52) - 0.45), 0.14)
    d = join(d, np.maximum(r - 0.44, np.abs(y - 0.06) - 0.06), 0.08)
    d = carve(d, np.maximum(r - neck + 0.06, 1.2 - y), 0.03)
    handle = np.hypot(np.hypot((x + 0.46) * 0.95, y - 1.30) - 0.44, 0.75 * z) - 0.065
    return join(d, np.maximum(handle, x + 0.30), 0.08) * 0.85


def bowl(p):
    r, y = np.hypot(p[0] - BOWL[0], p[2] - BOWL[1]), p[1]
    d = np.maximum(np.abs(np.hypot(r, 0.92 * (y - 1.02)) - 0.92) - 0.035, y - 0.66)
    d = join(d, np.hypot(r - 0.875, y - 0.67) - 0.045, 0.04)
    return join(d, np.maximum(np.abs(r - 0.36) - 0.05, np.abs(y - 0.06) - 0.06), 0.06)


def apple(p, centre, radius, axis):
    up, r = frame(p, centre, axis)[:2]
    up, r = up / radius, r / radius
    d = np.where(r > 0.42, np.hypot(r - 0.42, up * 0.93 - 0.02) - 0.58, np.abs(up * 0.93 - 0.02) - 0.58)
    return carve(d, np.hypot(r, up - 0.78) - 0.24, 0.25) * radius * 0.85


def apples(p):
    return np.minimum.reduce([apple(p, *a) for a in APPLES])


def stalks(p):
    d = []
    for centre, radius, axis in APPLES:
        c, a = np.array(centre), np.array(axis) / np.linalg.norm(axis)
        d.append(limb(p, c + a * radius * 0.45, c + a * radius * 0.98 + (0.03, 0, 0), 0.014, 0.022))
    d.append(limb(p, (0.05, 0.62, 1.22), (-0.12, 0.74, 1.10), 0.02, 0.03))
    return np.minimum.reduce(d)


def oranges(p):
    return np.minimum.reduce([ball(p, c, 0.36) for c in ORANGES])


def lemons(p):
    """A whole lemon, and half of one; the cut looks at us."""
    along, r = frame(p, *LEMON)[:2]
    d = join(np.hypot(along / 1.3, r) - 0.27, np.maximum(np.abs(along) - 0.42, 0) + r - 0.035, 0.12) * 0.9
    along, r = frame(p, *HALF)[:2]
    half = join(np.hypot(along / 1.25, r) - 0.28, np.hypot(along + 0.37, r) - 0.03, 0.12) * 0.9
    return np.minimum(d, np.maximum(half, along))


def bunch():
    """Centres of the grapes (k, 3): a heap, wide behind and one grape thick in front."""
    rng, grapes = np.random.default_rng(8), []
    for layer, count in ((0.135, 15), (0.34, 8), (0.5, 3)):
        tries = 0
        while count and tries < 4000:
            tries += 1
            u, v = rng.uniform(-1, 1, 2)
            c = np.array((u * 0.50 * (1.25 - layer), layer + rng.uniform(0, 0.04), v * 0.34 * (1.2 - layer))) + GRAPES
            if u * u + v * v < 1 and all(np.linalg.norm(c - g) > 0.225 for g in grapes):
                grapes.append(c)
                count -= 1
    return np.array(grapes)


BUNCH = bunch()


def grapes(p):
    return np.minimum.reduce([ball(p, c, 0.135) for c in BUNCH])


# A paint tells colour (n, 3), strength and sharpness of the highlight, and how much light soaks in, at points p.

def room_paint(p):
    return to_linear((0.44, 0.43, 0.38)) * (1 + 0.25 * fbm(p[0] * 0.8, p[1] * 0.8, 5, 62))[:, None], 0, 5, 0


def table_paint(p):
    x, z = p[0], p[2]
    grain = gradient_noise(x * 1.2, z * 22 + 3 * gradient_noise(x * 0.8, z * 2, 60), 61)
    return mix(to_linear((0.36, 0.22, 0.13)), to_linear((0.22, 0.12, 0.07)), smoothstep(-0.4, 0.5, grain)), 0.12, 40, 0


def cloth_paint(p):
    x, z = p[0], p[2]
    weave = 1 + 0.05 * np.sin(x * 150) * np.sin(z * 150)
    stripe = smoothstep(0.05, 0.035, np.abs(border(x, z) - 0.28)) + smoothstep(0.025, 0.01, np.abs(border(x, z) - 0.40))
    return mix(to_linear((0.90, 0.87, 0.80)), to_linear((0.25, 0.38, 0.56)), stripe) * weave[:, None], 0, 5, 0.1


def jug_paint(p):
    """Bare speckled clay below, blue glaze above, that ran down before it set."""
    x, y, z = p
    run = 0.95 + 0.13 * gradient_noise(np.arctan2(z - JUG[1], x - JUG[0]) * 3.5, 0 * x, 63)
    speck = 1 - 0.35 * smoothstep(0.45, 0.6, gradient_noise(x * 26, y * 26 + z * 9, 64))
    glazed = smoothstep(-0.02, 0.02, y - run)
    glaze = mix(to_linear((0.66, 0.50, 0.34)) * speck[:, None], to_linear((0.10, 0.27, 0.36)), glazed)
    return glaze * (1 + 0.2 * fbm(x * 3, y * 5, 3, 65))[:, None], 0.10 + 0.32 * glazed, 120, 0


def bowl_paint(p):
    band = smoothstep(0.03, 0.02, np.abs(p[1] - 0.50)) + smoothstep(0.012, 0.006, np.abs(p[1] - 0.43))
    return mix(to_linear((0.86, 0.85, 0.82)), to_linear((0.13, 0.23, 0.48)), np.clip(band, 0, 1)), 0.8, 220, 0


def apples_paint(p):
    """Yellow, with red streaks from the stalk down, more of them on the side that saw the sun."""
    x, y, z = p
    colour, best = np.zeros((x.size, 3), np.float32), np.full(x.size, 9.0, np.float32)
    for k, (centre, radius, axis) in enumerate(APPLES):
        up, _, turn = frame(p, centre, axis)
        up = up / radius
        streak = gradient_noise(turn * 4, up * 1.0, 66 + k) + 0.45 * gradient_noise(turn * 13, up * 1.5, 70 + k)
        sunny = np.sin(turn + 2.2 * k + 0.6) - 1.25 * smoothstep(0.45, 0.7, up)
        red = smoothstep(-0.5, 0.5, 0.8 * streak + 0.8 * sunny + 0.45)
        tint = mix(to_linear((0.84, 0.74, 0.30)), to_linear((0.66, 0.12, 0.11)), red)
        own = np.abs(apple(p, centre, radius, axis))
        colour[own < best], best = tint[own < best], np.minimum(best, own)
    speck = smoothstep(0.45, 0.6, gradient_noise(x * 22, y * 22 + z * 15, 74))
    return mix(colour, to_linear((0.90, 0.78, 0.50)), 0.35 * speck), 0.35, 90, 0.08


def oranges_paint(p):
    return to_linear((0.93, 0.50, 0.11)) * (1 + 0.12 * gradient_noise(p[0] * 4, p[1] * 4, 78))[:, None], 0.22, 35, 0.12


def lemons_paint(p):
    x, y, z = p
    along, r, turn = frame(p, *HALF)
    walls = smoothstep(0.90, 0.98, np.abs(np.cos(turn * 4.5))) * smoothstep(0.0, 0.1, r)
    pulp = to_linear((0.93, 0.80, 0.30)) * (1 + 0.2 * gradient_noise(turn * 20, r * 14, 79))[:, None]
    pulp = mix(pulp, to_linear((0.96, 0.92, 0.72)), np.maximum(walls, smoothstep(0.225, 0.24, r)))
    rind = to_linear((0.93, 0.76, 0.16)) * (1 + 0.10 * fbm(x * 14, y * 14 + z * 9, 3, 80))[:, None]
    cut = (along > -0.012) & (r < 0.268) & (np.hypot(x - HALF[0][0], z - HALF[0][2]) < 0.4)
    return np.where(cut[:, None], pulp, rind), 0.3, 60, 0.15


def grapes_paint(p):
    bloom = smoothstep(-0.3, 0.6, fbm(p[0] * 7, p[1] * 7 + p[2] * 5, 3, 81))
    return mix(to_linear((0.24, 0.08, 0.20)), to_linear((0.46, 0.40, 0.52)), 0.5 * bloom), 0.7, 160, 0.25


def stalks_paint(p):
    return np.broadcast_to(to_linear((0.30, 0.22, 0.13)), (p.shape[1], 3)), 0.05, 10, 0


# shape, paint, and a ball that holds it, if it is small
THINGS = ((room, room_paint, None), (table, table_paint, None), (cloth, cloth_paint, None),
          (jug, jug_paint, ((-1.25, 1.0, -0.65), 1.27)), (bowl, bowl_paint, ((0.72, 0.35, -0.25), 1.06)),
          (apples, apples_paint, ((0.15, 0.70, 0.20), 1.50)), (oranges, oranges_paint, ((0.72, 0.80, -0.30), 0.86)),
          (lemons, lemons_paint, ((1.38, 0.27, 1.08), 0.95)), (grapes, grapes_paint, ((0.18, 0.28, 1.30), 0.82)),
          (stalks, stalks_paint, ((0.20, 0.85, 0.40), 1.35)))


def each(p):
    """Distance to every thing (things, n)."""
    return np.stack([shape(p) if held is None else march.bounded(shape, p, *held) for shape, _, held in THINGS])


def scene(p):
    return each(p).min(0)


def light_at(p, n, way):
    """Light (3, n) that leaves p against the way, without mirror images, and how shiny it is there."""
    what = each(p).argmin(0)
    colour = np.zeros_like(p)
    shine, power, soak = np.zeros((3, p.shape[1]), np.float32)
    for k in np.unique(what):
        at = what == k
        tint, shine[at], power[at], soak[at] = THINGS[k][1](p[:, at])
        colour[:, at] = tint.T
    window = march.open_light(scene, p + 0.012 * n, WINDOW, 0.13, 4.0, 24)
    sky = march.openness(scene, p, n, 0.5)
    lit = np.clip(((n * WINDOW[:, None]).sum(0) + soak) / (1 + soak), 0, 1) * window
    lit = np.where(what == 0, lit * smoothstep(-1.6, 1.6, 0.6 * p[0] + 0.5 - 0.4 * p[1]), lit)  # of the wall, a part
    key, above, below = (np.array(c)[:, None] for c in ((2.0, 1.82, 1.55), (0.17, 0.20, 0.26), (0.10, 0.08, 0.06)))
    light = colour * (key * lit + (above * (0.5 + 0.5 * n[1]) + below) * sky)
    return light + shine * 1.5 * march.gloss(n, way, WINDOW, power) * window, shine


def shade(p, way):
    n = march.normal(scene, p)
    light, shine = light_at(p, n, way)
    mirror = np.flatnonzero(shine > 0.5)  # the smoothest mirror what is round them, at grazing angles most
    if mirror.size:
        n, way = n[:, mirror], way[:, mirror]
        back = -(n * way).sum(0)
        q, way = p[:, mirror] + 0.02 * n, way + 2 * back * n
        t = march.march(scene, q, way, 0.02, 5.0, 40, 0.006)
        seen = np.array((0.11, 0.12, 0.14))[:, None] * (0.4 + 0.6 * np.clip(way[1], 0, 1))
        seen = seen + 3.0 * smoothstep(0.90, 0.93, (way * WINDOW[:, None]).sum(0))
        met = np.flatnonzero(t < 5.0)
        if met.size:
            hit = q[:, met] + way[:, met] * t[met]
            seen[:, met] = light_at(hit, march.normal(scene, hit), way[:, met])[0]
        light[:, mirror] += shine[mirror] * (0.04 + 0.9 * np.clip(1 - back, 0, 1) ** 4) * seen
    return light.astype(np.float32)


def render(size=640):
    """The picture, a Pillow image `size` wide, three quarters as high; drawn twice as large, then reduced."""
    w, h = 2 * size, 2 * (size * 3 // 4)
    way = march.rays(w, h, EYE, TARGET, VIEW)
    t = march.in_parts(lambda d: march.march(scene, EYE, d, 5.0, 20.0), way)
    p = np.asarray(EYE, np.float32)[:, None] + way * t
    picture = march.in_parts(shade, p, way).T.reshape(h, w, 3)
    small = Image.fromarray((develop(picture) * 255 + 0.5).astype(np.uint8))
    return small.resize((size, size * 3 // 4), Image.LANCZOS)

"""The mountains: an eroded height field and its view under a low sun. Lengths are kilometres."""

import numpy as np

from .noise import blur, fbm, gradient_noise, mix, ridged, sample, smoothstep, to_linear

GRID = 900  # cells along each side of the height field
SPAN = 18.0  # kilometres covered: x in [-9, 9], z (away from the eye) in [2, 20]
NEAR = 2.0
# x, z, height and radius of each summit; the first is the one the picture is about.
SUMMITS = ((-1.35, 9.2, 2.9, 2.2), (1.5, 11.0, 1.9, 1.9), (4.6, 10.6, 2.3, 2.1), (-5.4, 12.5, 2.3, 2.4),
           (-3.6, 7.6, 1.0, 1.5), (7.2, 13.0, 2.2, 2.5), (2.6, 7.4, 0.75, 1.6))

ROCK, ROCK_WARM = to_linear((0.35, 0.34, 0.37)), to_linear((0.50, 0.43, 0.37))
SNOW = to_linear((0.96, 0.97, 1.0))
FOREST, ALP = to_linear((0.20, 0.30, 0.17)), to_linear((0.42, 0.45, 0.22))


def _cell(x, z):
    return (x + SPAN / 2) / SPAN * (GRID - 1), (z - NEAR) / SPAN * (GRID - 1)


def erode(height, rng, batches=14, drops=30000, lifetime=60):
    """Lets water drops run down the field; each carries soil from steep ground and drops it on flat ground.

    All drops of a batch move together, so that a step is a handful of array operations."""
    size = height.shape[0]
    for _ in range(batches):
        x, y = rng.uniform(1, size - 2, (2, drops))
        vx, vy, soil, speed = np.zeros((4, drops))
        for age in range(lifetime):
            h = sample(height, x, y)
            gx = sample(height, x + 1, y) - sample(height, x - 1, y)
            gy = sample(height, x, y + 1) - sample(height, x, y - 1)
            vx, vy = 0.35 * vx - gx, 0.35 * vy - gy
            length = np.hypot(vx, vy) + 1e-9
            nx, ny = np.clip(x + vx / length, 1, size - 3), np.clip(y + vy / length, 1, size - 3)
            fall = h - sample(height, nx, ny)
            capacity = np.maximum(fall, 0) * (1 + speed) * (1 - age / lifetime) * 1.6
            change = np.where(fall > 0, 0.22 * (capacity - soil), -0.5 * soil)
            change = np.minimum(change, np.maximum(fall, 0) * 0.35 + 1e-9)
            change = np.where(fall > 0, change, np.maximum(change, fall))  # a pit is filled, never overfilled
            soil, speed = soil + change, np.minimum(speed * 0.9 + fall * 20, 3)
            np.add.at(height, (y.round().astype(int), x.round().astype(int)), -change * 0.55)
            x, y = nx, ny
    return height


def build(seed=11):
    """Height field (GRID, GRID) in kilometres above the lake; row is z, column is x."""
    rng = np.random.default_rng(seed)
    z, x = np.mgrid[0:GRID, 0:GRID].astype(np.float32) / (GRID - 1) * SPAN
    x, z = x - SPAN / 2, z + NEAR
    wx, wz = x + 0.35 * fbm(x * 0.7, z * 0.7, 4, seed), z + 0.35 * fbm(x * 0.7, z * 0.7, 4, seed + 50)
    mass = np.zeros_like(x)
    for px, pz, top, radius in SUMMITS:
        cone = top * np.exp(-(np.hypot(wx - px, wz - pz) / radius) ** 1.35)
        mass = np.maximum(mass, cone) + 0.25 * np.minimum(mass, cone)
    crags = ridged(wx * 0.55, wz * 0.55, 8, seed + 100, 0.52)
    height = mass * (0.62 + 0.5 * crags) + 0.10 * crags * smoothstep(3.5, 6, z)
    height = height * smoothstep(3.6, 6.2, z + 0.5 * fbm(x, z, 3, seed + 7)) - 0.02
    height = erode(height.astype(np.float64), rng)
    return (0.75 * height + 0.25 * blur(height, 0.8)).astype(np.float32)


def view(height, rays_x, rays_y, rows, sun):
    """Looks at the field along the rays (rays_x / 1 across, rays_y / 1 up) of an eye at the origin.

    rays_x (w,): tangent to the right of each column; rays_y (rows,): tangent upwards of each row, falling.
    Returns colour light (rows, w, 3), distance (rows, w), infinite where only sky is seen."""
    w = rays_x.size
    depth = np.geomspace(3.0, NEAR + SPAN - 0.1, 1400).astype(np.float32)
    gx, gz = _cell(depth[:, None] * rays_x, np.broadcast_to(depth[:, None], (depth.size, w)))
    fine = 0.03 * fbm(depth[:, None] * rays_x * 9, depth[:, None] + 0 * rays_x, 3, 77)
    tangent = (sample(height, gx, gz) + fine * 0.4) / depth[:, None]
    horizon = np.maximum.accumulate(tangent, axis=0)
    hit = np.full((rows, w), depth.size, np.int32)
    for col in range(w):  # the first depth whose horizon reaches the row: one binary search per column
        hit[:, col] = np.searchsorted(horizon[:, col], rays_y)
    seen = hit < depth.size
    at, cols = np.clip(hit, 1, depth.size - 1), np.broadcast_to(np.arange(w), (rows, w))
    low, high = horizon[at - 1, cols], horizon[at, cols]
    t = np.clip((rays_y[:, None] - low) / np.maximum(high - low, 1e-9), 0, 1)
    z = depth[at - 1] * (1 - t) + depth[at] * t
    light = np.zeros((rows, w, 3), np.float32)
    light[seen] = _shade(height, (z * rays_x)[seen], z[seen], sun)
    return light, np.where(seen, z, np.inf)


def _shade(height, x, z, sun):
    """Light leaving the ground at x, z: rock, snow, alp and forest under sun (east, up, north) and sky."""
    gx, gz = _cell(x, z)
    cell = SPAN / (GRID - 1)
    h = sample(height, gx, gz)
    sx = (sample(height, gx + 1, gz) - sample(height, gx - 1, gz)) / (2 * cell)
    sz = (sample(height, gx, gz + 1) - sample(height, gx, gz - 1)) / (2 * cell)
    rough = np.clip(h, 0.25, 1)
    sx = sx + 1.7 * rough * fbm(x * 9, z * 9, 6, 300, 0.72)
    sz = sz + 1.7 * rough * fbm(x * 9, z * 9, 6, 320, 0.72)
    up = 1 / np.sqrt(1 + sx * sx + sz * sz)
    lambert = np.clip((-sx * sun[0] + sun[1] - sz * sun[2]) * up, 0, 1)

    hollow = sample(height - blur(height, 2.5), gx, gz)  # gullies get less light from the sky than ridges
    open_sky = np.clip(0.95 + 9 * hollow, 0.35, 1.3)

    open_sun = np.ones_like(h)  # soft shadow: the narrowest gap between the ray to the sun and the ground
    for step in np.geomspace(0.05, 6, 36):
        px, pz = _cell(x + sun[0] * step, z + sun[2] * step)
        gap = (h + 0.012 + sun[1] * step - sample(height, px, pz)) / step
        open_sun = np.minimum(open_sun, np.clip(0.5 + gap * 14, 0, 1))

    patch = fbm(x * 2.5, z * 2.5, 5, 340)
    strata = 0.5 + 0.5 * gradient_noise(h * 26 + 1.5 * patch, x * 0.8, 350)
    grit = fbm(x * 30, z * 30 + h * 20, 3, 355)
    colour = mix(ROCK, ROCK_WARM, np.clip(strata * 0.9, 0, 1)) * (0.8 + 0.5 * patch + 0.9 * grit)[..., None]
    colour = colour * np.clip(0.9 + 7 * hollow, 0.5, 1.3)[..., None]
    meadow = smoothstep(0.5, 0.75, up) * smoothstep(1.15, 0.8, h)
    colour = mix(colour, ALP * (1 + 0.5 * patch)[..., None], meadow)
    trees = smoothstep(0.46, 0.30, h + 0.5 * patch) * smoothstep(0.3, 0.5, up)
    speckle = 0.75 + 0.6 * gradient_noise(x * 38, z * 38, 360)
    colour = mix(colour, FOREST * speckle[..., None], trees)
    snow = smoothstep(0.98, 1.3, h + 0.4 * patch + 0.5 * (up - 0.62))
    snow = snow * smoothstep(0.34, 0.48, up + 0.1 * patch)
    colour = mix(colour, SNOW, snow)

    warm, sky = np.array((2.9, 1.62, 0.82), np.float32), np.array((0.25, 0.33, 0.52), np.float32)
    direct, ambient = lambert * open_sun, open_sky * (0.35 + 0.65 * up)
    return colour * (warm * direct[..., None] + sky * ambient[..., None])

"""Oil paint: a canvas with colour and thickness, and curved bristle strokes laid on it one by one."""

import numpy as np

from .noise import blur, fbm, sample


class Canvas:
    """size x size pixels of colour (display values) and of paint thickness, in about [0, 2]."""

    def __init__(self, size, ground):
        self.size = size
        self.colour = np.empty((size * size, 3), np.float32)
        self.colour[:] = ground
        self.thick = np.zeros(size * size, np.float32)

    def stroke(self, path, width, body, streak, rng):
        """One stroke along path (n, 2), `width` pixels wide at its fullest.

        The bristles carry unequal loads: each mixes the two paints `body` and `streak` in its own proportion,
        starts and runs dry at its own place, and ploughs its own furrow."""
        steps = np.hypot(*np.diff(path, axis=0).T)
        length = steps.sum()
        if length < 2:
            return
        along = np.linspace(0, 1, max(int(length / 0.75), 4), dtype=np.float32)
        at = np.append(0, np.cumsum(steps)) / length
        x, y = np.interp(along, at, path[:, 0]), np.interp(along, at, path[:, 1])
        dx, dy = np.gradient(x), np.gradient(y)
        norm = np.hypot(dx, dy) + 1e-6
        across = np.linspace(-1, 1, max(int(width / 0.7), 4), dtype=np.float32)

        press = np.sqrt(np.clip(1 - (1 - np.clip(along / 0.14, 0, 1)) ** 2, 0, 1)) * (1 - 0.6 * along ** 3)
        half = 0.5 * width * (0.25 + 0.75 * press)
        px = x[:, None] - (dy / norm * half)[:, None] * across
        py = y[:, None] + (dx / norm * half)[:, None] * across

        n = across.size
        bristle = _smooth(rng.normal(0, 1, n), 2.0) + 0.8 * _smooth(rng.normal(0, 1, n), max(n / 9, 1))
        drift = _smooth(rng.normal(0, 1, (n, 6)).mean(1), 1.5)
        load = bristle[None, :] + 1.2 * drift[None, :] * along[:, None]
        first = 0.05 * np.abs(_smooth(rng.normal(0, 1, n), 1.0))
        last = 1.02 - 0.16 * np.abs(_smooth(rng.normal(0, 1, n), 0.8)) - 0.10 * across ** 2
        ragged = rng.normal(0, 0.10, (along.size // 6 + 2, 1)).repeat(6, 0)[:along.size]
        edge = np.abs(across)[None, :] + ragged
        wet = (along[:, None] > first) & (along[:, None] < last) & (edge < 1.02)
        wet &= load > -2.1 + 0.9 * along[:, None] ** 2

        share = np.clip(0.30 + 0.33 * load, 0, 1)[..., None]
        tint = body * (1 - share) + streak * share + 0.016 * load[..., None]
        ridge = np.exp(-((1 - np.abs(across)) / 0.16) ** 2)[None, :] * 0.5
        ends = 0.5 * np.exp(-(along / 0.06) ** 2) + 0.3 * np.exp(-((1 - along) / 0.05) ** 2)
        relief = 0.75 + 0.30 * load + ridge + ends[:, None]

        ix, iy = np.rint(px).astype(np.int32), np.rint(py).astype(np.int32)
        wet &= (ix >= 0) & (iy >= 0) & (ix < self.size) & (iy < self.size)
        cell = (iy * self.size + ix)[wet]
        cover = np.float32(0.93)
        self.colour[cell] = self.colour[cell] * (1 - cover) + tint[wet] * cover
        body_height = np.float32(min(1.0, 0.35 + width / 40))
        self.thick[cell] = 0.35 * self.thick[cell] + relief[wet] * body_height

    def lit(self, seed, scale):
        """The painting under a lamp at the upper left: weave, relief and a faint gloss. (size, size, 3)."""
        n = self.size
        y, x = np.mgrid[0:n, 0:n].astype(np.float32) / scale
        wobble = 0.5 * fbm(x / 40, y / 40, 2, seed)
        weave = 0.5 * (np.sin((x + wobble) * 2.1) ** 2 + np.sin((y - wobble) * 2.1) ** 2)
        thick = self.thick.reshape(n, n)
        height = blur(thick, 0.35 * scale) + 0.22 * weave / (1 + 0.8 * thick)
        gy, gx = np.gradient(height * scale)
        slope = -(gx + 1.15 * gy)
        shade = 1 + np.clip(0.30 * slope, -0.34, 0.42)
        gloss = np.clip(slope - 0.55, 0, 1.2)[..., None] * 0.10
        return np.clip(self.colour.reshape(n, n, 3) * shade[..., None] + gloss, 0, 1)


def _smooth(values, sigma):
    """Gaussian smoothing of a row of bristles, brought back to unit spread."""
    radius = int(3 * sigma) + 1
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    mode = "reflect" if values.size > radius else "edge"
    out = np.convolve(np.pad(values, radius, mode=mode), taps, "valid")
    return ((out - out.mean()) / (out.std() + 1e-6)).astype(np.float32)


def trace(flow, start, length, points=22):
    """Paths (n, points, 2) along the unit field flow (h, w, 2) through start (n, 2), half to each side."""
    halves = []
    for sign in (-1, 1):
        p, step, path = start.copy(), sign * length[:, None] / points, []
        for _ in range(points // 2):
            path.append(p)
            d = sample(flow, p[:, 0], p[:, 1])
            p = p + step * d / (np.hypot(d[:, 0], d[:, 1])[:, None] + 1e-6)
        halves.append(np.stack(path, 1))
    return np.concatenate([halves[0][:, :0:-1], halves[1]], 1)

"""Slow, obvious versions of the detectors that look at windows."""

import numpy as np

from tocsin.pipeline.types import FloatArray


def signal(rows: int, width: int, seed: int) -> FloatArray:
    """Noisy waves (N, C) in different units, with a period of about 20 rows."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(rows)[:, None] / 3.0 + np.arange(width))
    return 4.0 + np.resize([1.0, 50.0, 0.01], width) * (wave + 0.2 * rng.normal(size=wave.shape))


def windows_of(rows: FloatArray, frames: int) -> FloatArray:
    """All windows (B, frames, C) of rows (N, C)."""
    return np.stack([rows[n : n + frames] for n in range(len(rows) - frames + 1)])


def spreads(windows: FloatArray, rows: FloatArray) -> FloatArray:
    """Windows (B, T, C) in standard deviations of training rows (N, C)."""
    return np.asarray((windows - rows.mean(axis=0)) / rows.std(axis=0), dtype=np.float64)


def probabilistic_pca(
    training: FloatArray, points: FloatArray, share: float
) -> tuple[FloatArray, FloatArray]:
    """Distance over the root of the size (B,), and each value's |z| given the others (B, D)."""
    mean, size = training.mean(axis=0), training.shape[1]
    variance, axes = np.linalg.eigh(np.cov(training.T, bias=True))
    variance, axes = variance[::-1], axes[:, ::-1]
    count = next(k for k in range(1, size) if variance[:k].sum() >= share * variance.sum())
    count = min(count, size - 1)
    left = max(variance[count:].mean(), 1e-3 * variance.mean())
    covariance = left * np.eye(size)
    for k in range(count):
        covariance += (variance[k] - left) * np.outer(axes[:, k], axes[:, k])
    precision = np.linalg.inv(covariance)
    off = points - mean
    score = np.sqrt([x @ precision @ x / size for x in off])
    return score, np.abs(off @ precision) / np.sqrt(np.diag(precision))


def outside(
    training: FloatArray, points: FloatArray, share: float
) -> tuple[FloatArray, FloatArray]:
    """Distance from the subspace (B,) over its root mean square in training, and parts (B, D)."""
    _, values, rows = np.linalg.svd(training, full_matrices=False)
    held = np.cumsum(values**2) / (values**2).sum()
    count = min(int((held < share).sum()) + 1, training.shape[1] - 1)
    off = np.eye(training.shape[1]) - rows[:count].T @ rows[:count]
    usual = np.sqrt(((training @ off) ** 2).sum(axis=1).mean())
    return np.linalg.norm(points @ off, axis=1) / usual, np.abs(points @ off) / usual


def polynomial_residuals(windows: FloatArray, degree: int) -> FloatArray:
    """Newest row of windows (B, T, C) less the polynomial through the others (B, C)."""
    left = np.empty((len(windows), windows.shape[2]))
    times = np.arange(windows.shape[1], dtype=float)
    for b, window in enumerate(windows):
        for c in range(windows.shape[2]):
            fit = np.polynomial.Polynomial.fit(times[:-1], window[:-1, c], degree)
            left[b, c] = window[-1, c] - fit(times[-1])
    return left


def shape_remainder(window: FloatArray, shapes: FloatArray) -> float:
    """Length of what the best of unit shapes (k, T) leaves of a window (T,) less its mean."""
    off, frames = window - window.mean(), len(window)
    best = (0.0, np.zeros(frames))
    for shape in shapes:
        for shift in range(-(frames // 2), frames // 2 + 1):
            moved = np.zeros(frames)
            for t in range(frames):
                if 0 <= t - shift < frames:
                    moved[t] = shape[t - shift]
            best = max(best, (float(off @ moved), moved), key=lambda pair: pair[0])
    return float(np.linalg.norm(off - best[0] * best[1]))


def spectral_saliency(window: FloatArray, guessed: int) -> float:
    """Saliency of the newest row of a window (T,) over the mean saliency, by a library's FFT."""
    longer = np.concatenate((window, np.full(guessed, window[-1 - guessed : -1].mean())))
    spectrum = np.fft.fft(longer - window.mean())
    log = np.log(np.maximum(np.abs(spectrum), 1e-8 * np.abs(spectrum).max()))
    smooth = (np.roll(log, 1) + log + np.roll(log, -1)) / 3
    saliency = np.abs(np.fft.ifft(np.exp(log - smooth + 1j * np.angle(spectrum))))
    return float(saliency[len(window) - 1] / saliency.mean())


def isolated(
    point: FloatArray, sample: FloatArray, cuts: list[tuple[int, float]], deepest: int
) -> float:
    """Mean cuts that set a point (P,) apart from a sample (N, P) by a tree of `cuts`.

    The nodes of the tree are numbered in the order in which a queue would visit them; `cuts` has
    each node's plane, and where between its rows it is cut, 0 to 1.
    """
    tree = _tree(sample, cuts, deepest)

    def below(node: int) -> float:
        rows, plane, cut, children = tree[node]
        if len(rows) == 1:
            return 0.0
        low, high, at = rows[:, plane].min(), rows[:, plane].max(), point[plane]
        gap = max(low - at, at - high, 0.0)
        alone = gap / (gap + high - low) if gap else 0.0
        after = expected(len(rows))
        if children:
            after = 1.0 + below(children[0] if at <= cut else children[1])
        return float(alone + (1.0 - alone) * after)

    return below(0)


def expected(rows: int) -> float:
    """The mean depth of a leaf of a random search tree, by the harmonic numbers' usual estimate."""
    if rows <= 2:
        return float(rows - 1)
    return 2.0 * (np.log(rows - 1.0) + 0.5772156649015329) - 2.0 * (rows - 1.0) / rows


Node = tuple[FloatArray, int, float, tuple[int, ...]]


def _tree(sample: FloatArray, cuts: list[tuple[int, float]], deepest: int) -> list[Node]:
    waiting, nodes = [(sample, 0)], []
    while len(nodes) < len(waiting):
        rows, depth = waiting[len(nodes)]
        plane, share = cuts[len(nodes)]
        low, high = rows[:, plane].min(), rows[:, plane].max()
        cut, children = low + share * (high - low), ()
        if depth < deepest and low <= cut < high:
            children = (len(waiting), len(waiting) + 1)
            waiting.append((rows[rows[:, plane] <= cut], depth + 1))
            waiting.append((rows[rows[:, plane] > cut], depth + 1))
        nodes.append((rows, plane, float(cut), children))
    return nodes

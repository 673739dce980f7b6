"""How well the categories of an event go together, by embeddings of the categories."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.events.codes import MISSING, Codebook, codebook, shares
from tocsin.detectors.rows import need
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_FEWEST = 2  # training rows
_BEGIN = 0.3  # length of an embedding before training
_RATE = 0.2  # of learning
_DECAY = 1e-3  # of embeddings, at each row that they stand in


class CompatibilityModel(NamedTuple):
    """Rarity and embedding of each code, the pairs' weights, and what is usual."""

    book: Codebook
    rarity: FloatArray  # (V,) -log of each code's share of its channel
    vector: FloatArray  # (V, d); 0 for codes that were not seen
    weight: FloatArray  # (C, C), symmetric, not negative, 0 on the diagonal
    usual_rarity: FloatArray  # (C,), which a missing code counts for
    usual_pair: FloatArray  # (C, C), the same
    usual_part: FloatArray  # (C,)
    centre: float
    spread: float


@dataclass(frozen=True, slots=True)
class Compatibility(Trained[CompatibilityModel | None]):
    """How unlikely an event's categories are together; a row is an event, a channel an attribute.

    Channels hold codes of categories: numbers that are compared for equality and nothing else. Each
    code has an embedding of `dimensions` numbers; how well two codes of an event go together is the
    product of their embeddings, times a weight of the two channels that is not negative. An event's
    energy is the sum of its codes' -log shares less the sum over its pairs: -log of its likelihood,
    but for a constant. The score is the energy's distance from that of the median training row, in
    their standard deviations. A code that training did not have is as rare as half a row and goes
    with none. A missing code counts as usual; a row without any has no opinion.

    Training tells, `epochs` times a row, the code of one channel from `noise` codes drawn by that
    channel's shares into the same company; with the shares in the energy and the company the same,
    the normalising constant drops out, and what is learned tends to the conditional likelihood.

    `blame` is how much stranger each code is, given the others, than its channel's usual one.

    Finds rare and unseen codes, and ordinary codes in company they do not keep. Misses order in
    time, how often an event comes, and what only three codes together make strange. Numbers that
    are measured and not codes are nearly all unseen, and tell nothing.

    Cost a row: d C**2 / 2 operations for d dimensions. Memory a key: 8 x `memory` x C bytes, and
    8 (d + 1) for each code.

    References: Chen, Tang, Sun, Chen and Zhang, Entity embedding-based anomaly detection for
    heterogeneous categorical events, 2016, arXiv:1608.07502; the way of training is from Ma and
    Collins, Noise contrastive estimation and negative sampling for conditional models, 2018,
    arXiv:1809.01812.

    >>> rng = np.random.default_rng(0)
    >>> user = rng.integers(4, size=600)
    >>> machine = 10 * user + rng.integers(2, size=600)  # each user has two machines
    >>> scorer = Compatibility(train=300)
    >>> model = scorer.model(np.column_stack((user, machine)).astype(float))
    >>> events = np.array([[[2.0, 21.0]], [[2.0, 10.0]], [[2.0, 99.0]]])
    >>> value, _ = scorer.measure(model, events)
    >>> (value > 3).tolist()
    [False, True, True]
    """

    dimensions: int = 10
    noise: int = 5
    epochs: int = 20
    seed: int = 0

    traits: ClassVar[Traits] = Traits(stochastic=True, shift_free=False, scale_free=False)

    def check(self) -> None:
        super(Compatibility, self).check()
        need(self.dimensions >= 1, "dimensions", "1 or more", self.dimensions)
        need(self.noise >= 1, "noise", "1 or more", self.noise)
        need(self.epochs >= 1, "epochs", "1 or more", self.epochs)

    def model(self, rows: FloatArray) -> CompatibilityModel | None:
        rows = rows[~np.isnan(rows).all(axis=1)]
        if len(rows) < _FEWEST:
            return None
        book = codebook(rows)
        numbers = book.numbered(rows)
        share = shares(numbers, book)
        vector, weight = self._embedded(numbers, share, book)
        width = rows.shape[1]
        blank = CompatibilityModel(
            book, -np.log(share), vector, weight,
            np.zeros(width), np.zeros((width, width)), np.zeros(width), 0.0, 1.0,
        )  # fmt: skip
        return _with_usual(blank, numbers)

    def measure(
        self, model: CompatibilityModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        if model is None:
            return value, blame
        numbers = model.book.numbered(windows[:, -1])
        energy, part = _energies(numbers, _parts_of(model))
        above = np.where(numbers == MISSING, 0.0, np.maximum(part - model.usual_part, 0.0))
        blame[:, -1] = above / model.spread
        value[:] = (energy - model.centre) / model.spread
        return value, blame

    def _embedded(
        self, numbers: IntArray, share: FloatArray, book: Codebook
    ) -> tuple[FloatArray, FloatArray]:
        """Embeddings (V, d) and weights (C, C), trained on numbered rows (N, C)."""
        rng = np.random.default_rng(self.seed)
        count, width = numbers.shape
        vector = rng.normal(size=(len(share), self.dimensions))
        vector *= _BEGIN / np.sqrt(self.dimensions)
        weight = np.ones((width, width)) - np.eye(width)
        learned = _Learned(vector, weight, np.full(vector.shape, 1e-8), np.full(weight.shape, 1e-8))
        upto = np.concatenate([np.cumsum(part) for part in np.split(share, book.first[1:-1])])
        for _ in range(self.epochs):
            order = rng.permutation(count)
            drawn = rng.random((count, 1 + self.noise))
            _learn(numbers[order], drawn, upto, book.first, learned)
        vector[book.first[1:] - 1] = 0.0
        return vector, weight


class _Learned(NamedTuple):
    vector: FloatArray  # (V, d)
    weight: FloatArray  # (C, C)
    vector_slopes: FloatArray  # (V, d) sums of squares
    weight_slopes: FloatArray  # (C, C) sums of squares


class _Parts(NamedTuple):
    rarity: FloatArray  # (V,)
    vector: FloatArray  # (V, d)
    weight: FloatArray  # (C, C)
    usual_rarity: FloatArray  # (C,)
    usual_pair: FloatArray  # (C, C)


def _parts_of(model: CompatibilityModel) -> _Parts:
    return _Parts(model.rarity, model.vector, model.weight, model.usual_rarity, model.usual_pair)


def _with_usual(model: CompatibilityModel, numbers: IntArray) -> CompatibilityModel:
    """The model with what is usual among training rows, as numbers (N, C)."""
    rarity, pair = _means(numbers, _parts_of(model))
    model = model._replace(usual_rarity=rarity, usual_pair=pair)
    energy, part = _energies(numbers, _parts_of(model))
    return model._replace(
        usual_part=np.median(part, axis=0),
        centre=float(np.median(energy)),
        spread=float(energy.std()) or 1.0,
    )


@compiled
def _means(numbers: IntArray, parts: _Parts) -> tuple[FloatArray, FloatArray]:
    """The mean rarity of each channel (C,) and bond of each pair (C, C)."""
    width = numbers.shape[1]
    rarity, count = np.zeros(width), np.zeros(width)
    bond, both = np.zeros((width, width)), np.zeros((width, width))
    for row in range(len(numbers)):
        for i in range(width):
            if numbers[row, i] < 0:
                continue
            rarity[i] += parts.rarity[numbers[row, i]]
            count[i] += 1.0
            for j in range(width):
                if j != i and numbers[row, j] >= 0:
                    bond[i, j] += _bond(parts, numbers[row], i, j)
                    both[i, j] += 1.0
    return rarity / np.maximum(count, 1.0), bond / np.maximum(both, 1.0)


@compiled
def _bond(parts: _Parts, numbers: IntArray, i: int, j: int) -> float:
    total = 0.0
    for d in range(parts.vector.shape[1]):
        total += parts.vector[numbers[i], d] * parts.vector[numbers[j], d]
    return float(parts.weight[i, j] * total)


@compiled
def _energies(numbers: IntArray, parts: _Parts) -> tuple[FloatArray, FloatArray]:
    """Each row's energy (B,), NaN for one without codes, and what hangs on each channel (B, C)."""
    rows, width = numbers.shape
    energy, part = np.full(rows, np.nan), np.zeros((rows, width))
    for row in range(rows):
        known = 0
        total = 0.0
        for i in range(width):
            has = numbers[row, i] >= 0
            known += has
            rarity = parts.rarity[numbers[row, i]] if has else parts.usual_rarity[i]
            total += rarity
            part[row, i] = rarity
            for j in range(width):
                if j == i:
                    continue
                bond = parts.usual_pair[i, j]
                if has and numbers[row, j] >= 0:
                    bond = _bond(parts, numbers[row], i, j)
                part[row, i] -= bond
                total -= bond / 2.0
        if known:
            energy[row] = total
    return energy, part


@compiled
def _learn(
    numbers: IntArray, drawn: FloatArray, upto: FloatArray, first: IntArray, learned: _Learned
) -> None:
    """One pass over rows (N, C), a step of the gradient a row; `drawn` (N, 1 + noise) in 0 to 1."""
    width, size = numbers.shape[1], learned.vector.shape[1]
    company, chance = np.empty(size), np.empty(drawn.shape[1])
    candidate = np.empty(drawn.shape[1], dtype=np.int64)
    for row in range(len(numbers)):
        channel = int(drawn[row, 0] * width)
        if numbers[row, channel] < 0:
            continue
        begin, end = first[channel], first[channel + 1]
        candidate[0] = numbers[row, channel]
        for n in range(1, len(candidate)):
            place = np.searchsorted(upto[begin:end], drawn[row, n], side="right")
            candidate[n] = min(begin + place, end - 1)
        _gather(learned, numbers[row], channel, company)
        _softmax(learned.vector, candidate, company, chance)
        chance[0] -= 1.0
        _follow(learned, numbers[row], channel, candidate, chance, company)


@compiled
def _gather(learned: _Learned, numbers: IntArray, channel: int, company: FloatArray) -> None:
    """The weighed sum (d,) of the embeddings of a row's other codes."""
    company[:] = 0.0
    for other in range(len(numbers)):
        if other != channel and numbers[other] >= 0:
            company += learned.weight[channel, other] * learned.vector[numbers[other]]


@compiled
def _follow(
    learned: _Learned,
    numbers: IntArray,
    channel: int,
    candidate: IntArray,
    slope: FloatArray,
    company: FloatArray,
) -> None:
    """One step down the slopes (1 + noise,) of the candidates' logits."""
    pull = np.zeros(len(company))
    for n in range(len(candidate)):
        pull += slope[n] * learned.vector[candidate[n]]
    for n in range(len(candidate)):
        _step(learned, candidate[n], slope[n] * company)
    for other in range(len(numbers)):
        if other != channel and numbers[other] >= 0:
            _bind(learned, channel, other, numbers[other], pull)


@compiled
def _softmax(
    vector: FloatArray, candidate: IntArray, company: FloatArray, chance: FloatArray
) -> None:
    for n in range(len(candidate)):
        chance[n] = 0.0
        for d in range(len(company)):
            chance[n] += vector[candidate[n], d] * company[d]
    highest = chance.max()
    total = 0.0
    for n in range(len(chance)):
        chance[n] = np.exp(chance[n] - highest)
        total += chance[n]
    for n in range(len(chance)):
        chance[n] /= total


@compiled
def _step(learned: _Learned, number: int, slope: FloatArray) -> None:
    for d in range(len(slope)):
        along = slope[d] + _DECAY * learned.vector[number, d]
        learned.vector_slopes[number, d] += along * along
        learned.vector[number, d] -= _RATE * along / np.sqrt(learned.vector_slopes[number, d])


@compiled
def _bind(learned: _Learned, channel: int, other: int, number: int, pull: FloatArray) -> None:
    """Move the embedding of a code in company, and the weight of the two channels."""
    along = 0.0
    for d in range(len(pull)):
        along += pull[d] * learned.vector[number, d]
    _step(learned, number, learned.weight[channel, other] * pull)
    learned.weight_slopes[channel, other] += along * along
    step = _RATE * along / np.sqrt(learned.weight_slopes[channel, other])
    moved = max(learned.weight[channel, other] - step, 0.0)
    learned.weight[channel, other] = moved
    learned.weight[other, channel] = moved

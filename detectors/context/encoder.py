"""The encoder: for every point of a window, how badly it fits the points around it.

A window of one channel, of any length that is a multiple of 16, comes as the views that
`tocsin.detectors.context.views` makes of it, and leaves as one logit a point and the series as it
would be without its anomalies. Patches of 16 points, each read together with 8 points on either
side, become tokens; five transformer blocks with rotary positions let every token look at all
others; each token is then unfolded to its 16 points, to which a convolution over the views adds
what only single points can tell.

After "Towards Foundation Models for Zero-Shot Time Series Anomaly Detection: Leveraging Synthetic
Data and Relative Context Discrepancy" (Lan and others, 2025, arXiv:2509.21190): the idea that
labels which depend on context teach an encoder to compare is theirs; the network, the corpus and
the numbers here are our own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tocsin.detectors.context.views import PATCH, VIEWS

_OVERLAP = PATCH // 2  # points on either side that a patch is read with
_REACH = 7  # points of the convolutions over single points
_HIDDEN = 32  # channels of the last layer over single points


@dataclass(frozen=True, slots=True)
class Size:
    """How large an encoder is; the shipped one has the defaults, about 1.05 million numbers."""

    width: int = 128
    heads: int = 4
    blocks: int = 5
    inner: int = 512  # of the feed-forward part
    fine: int = 16  # channels a point, once tokens are unfolded


class Reading(NamedTuple):
    """What the encoder makes of windows: two numbers a point."""

    logit: Tensor  # (B, L), of being an anomaly in its context
    clean: Tensor  # (B, L), the first view as it would be without anomalies


class Encoder(nn.Module):
    """Views (B, VIEWS, L) to a `Reading`; L is any positive multiple of 16."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        span = PATCH + 2 * _OVERLAP
        self.embed = nn.Linear(VIEWS * span, size.width)
        self.blocks = nn.ModuleList(_Block(size) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)
        self.unfold = nn.Linear(size.width, PATCH * size.fine)
        self.skip = nn.Linear(VIEWS * _REACH, size.fine)
        self.mix = nn.Linear(size.fine * _REACH, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, 2)

    @property
    def device(self) -> torch.device:
        """Where its weights are, and so where it works."""
        return self.embed.weight.device

    def forward(self, views: Tensor) -> Reading:
        x = self.tokens(views)  # (B, L / 16, width)
        rows, tokens = x.shape[:2]
        fine = self.unfold(x).reshape(rows, tokens * PATCH, self.size.fine)  # (B, L, fine)
        fine = functional.gelu(fine + self.skip(_neighbours(views.transpose(1, 2))))
        pair = self.out(functional.gelu(self.mix(_neighbours(fine))))  # (B, L, 2)
        return Reading(pair[..., 0], pair[..., 1])

    def tokens(self, views: Tensor) -> Tensor:
        """The embeddings of a window's patches, (B, L / 16, width)."""
        padded = functional.pad(views, (_OVERLAP, _OVERLAP))
        patches = padded.unfold(2, PATCH + 2 * _OVERLAP, PATCH)  # (B, VIEWS, L / 16, span)
        x: Tensor = self.embed(patches.transpose(1, 2).flatten(2))
        turns = _turns(x.shape[1], self.size.width // self.size.heads)
        for block in self.blocks:
            x = block(x, turns)
        normed: Tensor = self.norm(x)
        return normed


class _Block(nn.Module):
    """Attention over all tokens, then a feed-forward layer; each reads a normalised input."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.norm_a = nn.LayerNorm(size.width)
        self.norm_b = nn.LayerNorm(size.width)
        self.look = nn.Linear(size.width, 3 * size.width, bias=False)
        self.tell = nn.Linear(size.width, size.width)
        self.wide = nn.Linear(size.width, size.inner)
        self.back = nn.Linear(size.inner, size.width)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.look(self.norm_a(x)).float()
        parts = parts.view(rows, tokens, 3, self.heads, width // self.heads)
        query, key = _turned(parts[:, :, :2], turns).permute(2, 0, 3, 1, 4)
        seen = _attention(query, key, parts[:, :, 2].transpose(1, 2))  # (B, heads, tokens, depth)
        x = x + self.tell(seen.transpose(1, 2).reshape(rows, tokens, width))
        answer: Tensor = x + self.back(functional.gelu(self.wide(self.norm_b(x))))
        return answer


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention in float32, whatever the layers around it use.

    The kernel for bfloat16 takes ten times as long on the way back.
    """
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(query, key, value)


def _neighbours(points: Tensor) -> Tensor:
    """Each point with the 3 on either side, (B, L, C) to (B, L, 7 C); zeros beyond the ends."""
    edge = _REACH // 2
    padded = functional.pad(points, (0, 0, edge, edge))
    length = points.shape[1]
    return torch.cat([padded[:, i : i + length] for i in range(_REACH)], dim=2)


def _turns(tokens: int, depth: int) -> Tensor:
    """Each position's turns, (tokens, 1, 1, depth / 2), as complex numbers.

    Source: Su and others, RoFormer, 2021, arXiv:2104.09864.
    """
    speed = 10_000.0 ** (-torch.arange(0, depth, 2, dtype=torch.float32) / depth)
    angle = torch.arange(tokens, dtype=torch.float32)[:, None, None, None] * speed
    return torch.polar(torch.ones_like(angle), angle)


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs of numbers turned by their position: x is (B, tokens, 2, heads, depth)."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)

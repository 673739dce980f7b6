"""The compiled parts of the random cut forest: trees in plain arrays, scored and kept up to date.

`cut_forest_state` says what the arrays hold.
"""

import numpy as np

from tocsin.detectors.classical.cut_forest_state import Desk, Forest, ShortArray, Tree
from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import Rows
from tocsin.pipeline.types import FloatArray

_LEFT, _RIGHT, _UP, _COUNT, _AXIS = range(5)  # the columns of `links`
_ROOT, _FREE = 0, 1  # of `heads`: the root, and the first unused inner node
_TOP = 32767  # no node: above the root, or a tree without points
_MOVED = 10.0  # spreads; what a channel that never moved counts for once it moves
_FARTHEST = 1e100  # spreads; where an extent is cut, so that sums stay finite
_ROUNDING = 1e-12  # of the largest value: below it, spread is rounding
_NORMAL = 1.349  # interquartile range of a normal channel, in standard deviations
_SLOT_DRAW, _ENTRY_DRAW = -1, -2  # the numbers of draws that belong to no tree


@compiled
def walk(forest: Forest, rows: Rows, settings: tuple[int, int], tasks: tuple[bool, bool]) -> None:
    """Go through rows in turn; `tasks` says whether they are scored, and whether learned.

    `settings` are the seed and the memory in rows, 0 for the newest.
    """
    (seed, memory), (scores, learns) = settings, tasks
    width, size = forest.weight.shape[1], rows.frame.shape[1]
    desk = Desk(np.empty(size), np.empty(size))
    for row in range(len(rows.key)):
        key, point = rows.key[row], rows.frame[row]
        if np.isnan(point[-width:]).all():
            continue
        if scores and forest.seen[key] >= forest.points.shape[1]:
            rows.value[row] = _score(forest, key, point, rows.blame[row], desk)
        if learns:
            _learn(forest, key, point, seed, memory, desk)


@compiled
def tree_of(forest: Forest, key: int, tree: int) -> Tree:
    """One tree of a key, as views."""
    return Tree(
        forest.points[key],
        forest.copies[key],
        forest.links[key, tree],
        forest.cut[key, tree],
        forest.bounds[key, tree],
        forest.above[key, tree],
        forest.heads[key, tree],
    )


@compiled
def _score(forest: Forest, key: int, point: FloatArray, blame: FloatArray, desk: Desk) -> float:
    trees = forest.heads.shape[1]
    _weigh(forest, key, point, desk.weight)
    total = 0.0
    for tree in range(trees):
        total += displacement(tree_of(forest, key, tree), point, blame, desk)
    blame /= trees
    return float(total / trees)


@compiled
def displacement(tree: Tree, point: FloatArray, blame: FloatArray, desk: Desk) -> float:
    """The collusive displacement of a new point, its mean over all ways to insert it.

    Adds to `blame` (D,) the part of each coordinate: of the cuts that could part the point.
    """
    ref = int(tree.heads[_ROOT])
    reach, most, total = 1.0, 0.0, 0.0
    while True:
        inside, outside = _stick_out(tree.points, tree.bounds, ref, point, desk)
        if outside > 0.0:
            here = (
                reach * max(most, float(_size(tree.links, tree.copies, ref))) / (inside + outside)
            )
            for d in range(len(point)):
                blame[d] += here * desk.beyond[d]
            total += here * outside
            reach *= inside / (inside + outside)
        if ref < 0 or reach <= 0.0:
            return total + reach * most
        side = _side(tree, ref, point)
        child, sibling = int(tree.links[ref, side]), int(tree.links[ref, 1 - side])
        most = max(
            most,
            _size(tree.links, tree.copies, sibling) / (_size(tree.links, tree.copies, child) + 1),
        )
        ref = child


@compiled
def _size(links: ShortArray, copies: ShortArray, ref: int) -> int:
    return int(links[ref, _COUNT]) if ref >= 0 else int(copies[-ref - 1])


@compiled
def _side(tree: Tree, node: int, point: FloatArray) -> int:
    """The child on the point's side of the cut; the larger one for a missing coordinate."""
    x = point[tree.links[node, _AXIS]]
    if np.isnan(x):
        left, right = int(tree.links[node, _LEFT]), int(tree.links[node, _RIGHT])
        smaller = _size(tree.links, tree.copies, left) < _size(tree.links, tree.copies, right)
        return _RIGHT if smaller else _LEFT
    return _LEFT if x <= tree.cut[node] else _RIGHT


@compiled
def _stick_out(
    points: FloatArray, bounds: ShortArray, ref: int, point: FloatArray, desk: Desk
) -> tuple[float, float]:
    """The sides of a node's box in spreads, and by how much the point would lengthen them."""
    inside, outside = 0.0, 0.0
    for d in range(len(point)):
        if ref >= 0:
            low = points[np.uint16(bounds[ref, 0, d]), d]
            high = points[np.uint16(bounds[ref, 1, d]), d]
        else:
            low = high = points[np.uint16(-ref - 1), d]
        # Without branches, as in or out cannot be foreseen; and so that NaN ends as 0.
        under, over = low - point[d], point[d] - high
        off = under if under > over else over  # noqa: FURB136 - max() has branches
        off = (off if off > 0.0 else 0.0) * desk.weight[d]  # noqa: FURB136 - and keeps NaN
        side = (high - low) * desk.weight[d]
        off = off if off < _FARTHEST else _FARTHEST  # noqa: FURB136 - as above
        desk.beyond[d] = off
        outside += off
        inside += side if side < _FARTHEST else _FARTHEST  # noqa: FURB136 - as above
    return inside, outside


@compiled
def _weigh(forest: Forest, key: int, point: FloatArray, weight: FloatArray) -> None:
    """The weights (D,) of the coordinates for this point; a flat channel has one where it moves."""
    width = forest.weight.shape[1]
    for c in range(width):
        level, most = forest.points[key, 0, c], 0.0
        for d in range(c, len(point), width):
            off = abs(point[d] - level)
            if off > most and off > _ROUNDING * abs(level):
                most = off
        found = forest.weight[key, c]
        if found == 0.0 and most > 0.0:
            found = _MOVED / most
        weight[c::width] = found


@compiled
def _learn(forest: Forest, key: int, point: FloatArray, seed: int, memory: int, desk: Desk) -> None:
    size = forest.points.shape[1]
    at = int(forest.seen[key])
    forest.seen[key] += 1
    if at < size:
        forest.points[key, at] = point
        if at + 1 == size:
            _plant(forest, key, seed, desk)
        return
    slot = at % size
    if memory > 0:
        slot = int(uniform(seed, _SLOT_DRAW, at, 0) * size)
        if uniform(seed, _ENTRY_DRAW, at, 0) * min(at + 1, memory) >= size:
            slot = -1
    if slot >= 0:
        _swap(forest, key, slot, point, seed, desk)
    if (at + 1) % size == 0:
        _measure(forest, key)


@compiled
def _swap(forest: Forest, key: int, slot: int, point: FloatArray, seed: int, desk: Desk) -> None:
    """Put a point in the place of another; what it lacks stays as it was there."""
    _weigh(forest, key, point, desk.weight)
    forest.weight[key] = desk.weight[: forest.weight.shape[1]]
    _take_out(forest, key, slot)
    for d in range(len(point)):
        if not np.isnan(point[d]):
            forest.points[key, slot, d] = point[d]
    _put_in(forest, key, slot, (seed, int(forest.seen[key]) - 1), desk)


@compiled
def _plant(forest: Forest, key: int, seed: int, desk: Desk) -> None:
    """Build the trees of a key whose points are all there."""
    for d in range(forest.points.shape[2]):
        _close_gaps(forest.points[key, :, d])
    _measure(forest, key)
    _weigh(forest, key, forest.points[key, 0], desk.weight)
    forest.copies[key] = 0
    for tree in range(forest.heads.shape[1]):
        forest.heads[key, tree, _ROOT], forest.heads[key, tree, _FREE] = _TOP, 0
        for node in range(forest.links.shape[2]):
            forest.links[key, tree, node, _LEFT] = node + 1
    for slot in range(forest.points.shape[1]):
        _put_in(forest, key, slot, (seed, slot), desk)


@compiled
def _close_gaps(values: FloatArray) -> None:
    """Put the value before into each gap, the first one into gaps before it, 0 if there is none."""
    last = 0.0
    for value in values[::-1]:
        last = last if np.isnan(value) else value
    for slot in range(len(values)):
        last = last if np.isnan(values[slot]) else values[slot]
        values[slot] = last


@compiled
def _measure(forest: Forest, key: int) -> None:
    """Weigh the channels by the spread of the stored points."""
    points, width = forest.points[key], forest.weight.shape[1]
    count = len(points)
    for c in range(width):
        values = np.sort(points[:, points.shape[1] - width + c])
        size = max(abs(values[0]), abs(values[-1]))
        spread = (values[(3 * count) // 4] - values[count // 4]) / _NORMAL
        if not spread > _ROUNDING * size:  # mostly still: the mean deviation of all coordinates
            for value in points[:, c::width].flat:
                spread += abs(value - values[count // 2]) * width / points.size
        forest.weight[key, c] = 1.0 / spread if spread > _ROUNDING * size else 0.0


@compiled
def _put_in(forest: Forest, key: int, slot: int, mark: tuple[int, int], desk: Desk) -> None:
    """Insert a stored point in all trees; `mark` is the seed and the number of its row."""
    leaf = slot
    for tree in range(forest.heads.shape[1]):
        leaf = _insert(tree_of(forest, key, tree), slot, (mark[0], tree, mark[1]), desk)
    forest.twin[key, slot] = leaf
    forest.copies[key, slot] = 0
    forest.copies[key, leaf] += 1


@compiled
def _insert(tree: Tree, slot: int, mark: tuple[int, int, int], desk: Desk) -> int:
    """Insert a point by the paper's algorithm 2; gives the slot whose leaf it has come to."""
    ref, level = int(tree.heads[_ROOT]), 0
    if ref == _TOP:
        tree.heads[_ROOT], tree.above[slot] = -slot - 1, _TOP
        return slot
    point = tree.points[slot]
    while True:
        inside, outside = _stick_out(tree.points, tree.bounds, ref, point, desk)
        drawn = uniform(mark[0], mark[1], mark[2], level) * (inside + outside)
        if drawn < outside or (ref < 0 and outside > 0.0):
            _part(tree, ref, slot, drawn, desk)
            return slot
        if ref < 0:
            return -ref - 1
        tree.links[ref, _COUNT] += 1
        if outside > 0.0:
            _widen(tree, ref, slot, desk)
        ref, level = int(tree.links[ref, _side(tree, ref, point)]), level + 1


@compiled
def _widen(tree: Tree, node: int, slot: int, desk: Desk) -> None:
    """Make room for a point in a node's box."""
    for d in range(len(desk.beyond)):
        least, greatest = tree.bounds[node, 0, d], tree.bounds[node, 1, d]
        x = tree.points[slot, d]
        # Without branches, as above.
        tree.bounds[node, 0, d] = slot if x < tree.points[np.uint16(least), d] else least
        tree.bounds[node, 1, d] = slot if x > tree.points[np.uint16(greatest), d] else greatest


@compiled
def _part(tree: Tree, ref: int, slot: int, drawn: float, desk: Desk) -> None:
    """Cut a point off a node: at `drawn` along the lengths by which it sticks out."""
    axis = 0
    for d in range(len(desk.beyond)):
        if desk.beyond[d] > 0.0:
            axis = d
            if drawn < desk.beyond[d]:
                break
            drawn -= desk.beyond[d]
    share = min(max(drawn / desk.beyond[axis], 0.0), 1.0)
    node, leaf = int(tree.heads[_FREE]), -slot - 1
    tree.heads[_FREE] = tree.links[node, _LEFT]
    if ref >= 0:
        tree.bounds[node] = tree.bounds[ref]
        low = tree.points[tree.bounds[ref, 0, axis], axis]
        high = tree.points[tree.bounds[ref, 1, axis], axis]
    else:
        tree.bounds[node] = -ref - 1
        low = high = tree.points[-ref - 1, axis]
    x = tree.points[slot, axis]
    start, end = (x, low) if x < low else (high, x)
    place = start + share * (end - start)
    tree.cut[node] = place if start <= place < end else start
    tree.links[node, _LEFT], tree.links[node, _RIGHT] = (leaf, ref) if x < low else (ref, leaf)
    tree.links[node, _COUNT] = _size(tree.links, tree.copies, ref) + 1
    tree.links[node, _AXIS] = axis
    _widen(tree, node, slot, desk)
    upper = tree.links[ref, _UP] if ref >= 0 else tree.above[-ref - 1]
    _hang(tree, node, int(upper), ref)
    tree.above[slot] = node
    _hang_below(tree, ref, node)


@compiled
def _hang_below(tree: Tree, ref: int, node: int) -> None:
    """Say which node is above."""
    if ref >= 0:
        tree.links[ref, _UP] = node
    else:
        tree.above[-ref - 1] = node


@compiled
def _hang(tree: Tree, ref: int, node: int, instead: int) -> None:
    """Make `ref` a child of `node` in the place of `instead`."""
    _hang_below(tree, ref, node)
    if node == _TOP:
        tree.heads[_ROOT] = ref
    else:
        tree.links[node, _LEFT if tree.links[node, _LEFT] == instead else _RIGHT] = ref


@compiled
def _take_out(forest: Forest, key: int, slot: int) -> None:
    """Remove a stored point from all trees."""
    leaf = int(forest.twin[key, slot])
    forest.copies[key, leaf] -= 1
    heir = leaf
    if forest.copies[key, leaf] > 0 and leaf == slot:
        for other in range(forest.twin.shape[1]):
            if other != slot and forest.twin[key, other] == slot:
                heir = other if heir == leaf else heir
                forest.twin[key, other] = heir
        forest.copies[key, heir] = forest.copies[key, leaf]
    for tree in range(forest.heads.shape[1]):
        one = tree_of(forest, key, tree)
        if heir != leaf:
            node = int(one.above[slot])
            _hang(one, -heir - 1, node, -slot - 1)
            _lose(one, node, slot)
        elif forest.copies[key, leaf] > 0:
            _lose(one, int(one.above[leaf]), slot)
        else:
            _remove(one, slot)


@compiled
def _remove(tree: Tree, slot: int) -> None:
    """Remove a leaf and the node above it."""
    node = int(tree.above[slot])
    if node == _TOP:
        tree.heads[_ROOT] = _TOP
        return
    side = _RIGHT if tree.links[node, _LEFT] == -slot - 1 else _LEFT
    upper = int(tree.links[node, _UP])
    _hang(tree, int(tree.links[node, side]), upper, node)
    tree.links[node, _LEFT] = tree.heads[_FREE]
    tree.heads[_FREE] = node
    _lose(tree, upper, slot)


@compiled
def _lose(tree: Tree, node: int, slot: int) -> None:
    """Count one point less from a node upwards, and name others where it bounded a box."""
    named = True
    while node != _TOP:
        tree.links[node, _COUNT] -= 1
        if named:  # who bounds no box bounds none of those around it
            named = _name_others(tree, node, slot)
        node = int(tree.links[node, _UP])


@compiled
def _name_others(tree: Tree, node: int, slot: int) -> bool:
    """Name the next of the children where a slot bounds a box; whether it did."""
    left, right = int(tree.links[node, _LEFT]), int(tree.links[node, _RIGHT])
    found = False
    for side in range(2):
        for d in range(tree.bounds.shape[2]):
            if tree.bounds[node, side, d] == slot:
                one = int(tree.bounds[left, side, d]) if left >= 0 else -left - 1
                two = int(tree.bounds[right, side, d]) if right >= 0 else -right - 1
                lower = tree.points[one, d] <= tree.points[two, d]
                tree.bounds[node, side, d] = one if lower == (side == 0) else two
                found = True
    return found


@compiled
def uniform(seed: int, stream: int, row: int, number: int) -> float:
    """A number in [0, 1) that depends on the four counts alone (splitmix64 of each in turn)."""
    mixed = np.uint64(0)
    for part in (seed, stream, row, number):
        mixed = (mixed ^ np.uint64(part)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return float(mixed >> np.uint64(11)) * 2.0**-53

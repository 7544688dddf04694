"""In which order a pass sees the rows, and the groups in which it mixes them.

The parts of a file that can be read in any order come in a random one, anew for each pass; rows are collected into a
group as large as the buffer, and shuffled within it.  A group depends on the seed, the pass and its place alone, so
that a run can be taken up anywhere.
"""

from collections.abc import Sequence

import numpy as np

from tightwidth.data.rows.source import Piece, RowSource
from tightwidth.data.rows.survey import Survey, changed, check_unchanged, digest
from tightwidth.errors import DataError

BUFFER_ROWS = 1 << 16
BUFFER_NUMBERS = 1 << 23  # rows are fewer where they are long

Group = tuple[int, ...]  # places of pieces in the survey


def default_buffer(d: int) -> int:
    """Return how many rows are mixed at a time."""
    return max(1024, min(BUFFER_ROWS, BUFFER_NUMBERS // max(1, d)))


def groups_of_pass(pieces: Sequence[Piece], buffer_rows: int, *, seed: int, which: int) -> list[Group]:
    """Return the pieces of each group of a pass, in order."""
    units: dict[int, list[int]] = {}
    for place, piece in enumerate(pieces):
        units.setdefault(piece.unit, []).append(place)
    shuffled = np.random.default_rng([seed, 0, which]).permutation(len(units))
    parts = list(units.values())
    groups: list[Group] = []
    current: list[int] = []
    held = 0
    for unit in shuffled:
        for place in parts[unit]:
            if held and held + pieces[place].n_rows > buffer_rows:
                groups.append(tuple(current))
                current, held = [], 0
            current.append(place)
            held += pieces[place].n_rows
    groups.append(tuple(current))
    return groups


def order_in_group(n: int, *, seed: int, which: int, group: int) -> np.ndarray:
    """Return the order of the n rows of a group."""
    return np.random.default_rng([seed, 1, which, group]).permutation(n)


def read_group(source: RowSource, known: Survey, group: Group):
    """Yield the pieces of a group: the piece and its rows.

    Raises
    ------
    DataError
        If the rows are not those of the survey.
    """
    check_unchanged(source, known.stamp)
    pieces = [known.pieces[place] for place in group]
    for place, piece, rows in zip(group, pieces, source.read(pieces), strict=True):
        if len(rows.X) != piece.n_rows or digest(rows) != known.digests[place]:
            raise DataError(changed(source.name))
        yield piece, rows

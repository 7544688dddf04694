"""The panel of a search: a mark for each seed at each width it tried, a line for each width of the table."""

import numpy as np
import pytest

from test_records import example
from tightwidth.plots.memorization import draw, save
from tightwidth.records.memorization import MemorizeRecord, TheoremRecord
from tightwidth.records.search import AttemptRecord, SearchRecord, SmallestRecord

RUNS = (  # form, seed, pairs, B, share
    ("tangent", 0, 8, "inf", 1.0),
    ("tangent", 1, 8, "inf", 0.9),
    ("tangent", 1, 12, "inf", 1.0),
    ("choice", 0, 4, 0.1, 1.0),
    ("choice", 0, 4, 0.3, 0.7),
    ("finite", 0, 2, 0.1, 0.75),
    ("finite", 0, 2, 0.3, 0.8),
    ("finite", 1, 4, 0.1, 0.95),
    ("finite", 1, 6, 0.1, 1.0),
    ("finite", 1, 6, 0.3, 0.97),  # left when the other was enough
)


def smallest(widths, q):
    others = dict.fromkeys(set(SmallestRecord.model_fields) - {"widths", "smallest", "loss", "batch_size", "n_epochs"})
    return SmallestRecord(widths=widths, smallest=q, loss="hinge", batch_size=8, n_epochs=9, **others)


def searched(runs=RUNS, tangent=(8, 12), finite=(4, 6), **changes) -> MemorizeRecord:
    names = ("form", "seed", "n_pairs", "output_scale", "fraction")
    attempts = [dict(zip(names, run, strict=True)) | {"learning_rate": 1.0, "n_steps": 10} for run in runs]
    search = SearchRecord(
        seeds=(0, 1),
        finished=True,
        tangent=smallest(tangent, min(filter(None, tangent), default=None)),
        finite=smallest(finite, min(filter(None, finite), default=None)),
        attempts=tuple(AttemptRecord.model_validate(one) for one in attempts),
        seconds=1.0,
    )
    theorem = TheoremRecord(n_pairs=5000, n_parameters=90000, n_steps=7, lambda_min=0.1, label_norm_squared=2.0)
    return example(**{"theorem": theorem, "search": search, **changes})


def lines_of(record):
    """Return the lines of the panel by their labels."""
    _, axes = draw(record).axes
    return {str(line.get_label()): line for line in axes.get_lines()}


def test_the_marks_are_the_best_runs_of_every_seed_at_every_width():
    drawn = {label: np.asarray(line.get_xydata()).tolist() for label, line in lines_of(searched()).items()}
    assert sorted(drawn["linear limit, enough"]) == [[8, 1], [12, 1]]
    assert drawn["linear limit, not enough"] == [[8, 0.9]]
    assert sorted(drawn["finite B, enough"]) == [[4, 1], [6, 1]], "the choosing run counts, the one left does not"
    assert sorted(drawn["finite B, not enough"]) == [[2, 0.8], [4, 0.95]]


def test_the_lines_are_the_widths_of_the_table():
    lines = lines_of(searched())
    widths = {"theorem: 5,000 pairs": 5000, "certified: 16 pairs": 16, "tangent: 8 pairs": 8, "finite B: 4 pairs": 4}
    for label, q in widths.items():
        assert set(np.asarray(lines[label].get_xdata())) == {q}
    assert len(lines) == 4 + len(widths)
    none = lines_of(searched(RUNS[1:2], (None, None), (None, None), theorem=None, certified_steps=None))
    assert set(none) == {"linear limit, not enough"}


def test_marks_and_lines_can_be_told_apart_without_colour():
    lines = lines_of(searched())
    vertical = [line.get_linestyle() for label, line in lines.items() if label.endswith("pairs")]
    assert len(set(vertical)) == 4
    marks = [line for label, line in lines.items() if label.endswith("enough")]
    assert len({(str(line.get_marker()), line.get_markerfacecolor() == "none") for line in marks}) == 4


def test_the_run_stays_above_and_a_search_without_runs_has_no_panel():
    above, _ = draw(searched()).axes
    (alone,) = draw(example()).axes
    assert [line.get_label() for line in above.get_lines()] == [line.get_label() for line in alone.get_lines()]
    assert len(draw(searched(())).axes) == 1


@pytest.mark.parametrize("runs", [RUNS, RUNS[:3]])
def test_a_narrow_range_of_widths_has_numbers_on_its_axis(runs):
    figure = draw(searched(runs, finite=(None, None), theorem=None))
    figure.draw_without_rendering()
    axes = figure.axes[1]
    low, high = axes.get_xlim()
    shown = [tick.label1.get_text() for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert len([text for text in shown if text]) >= 2


@pytest.mark.slow
def test_formats(tmp_path):
    for suffix, magic in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        save(searched(), tmp_path / f"figure.{suffix}")
        assert (tmp_path / f"figure.{suffix}").read_bytes().startswith(magic)

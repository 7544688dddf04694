"""The figure of a run: three curves with the numbers of the record, in the format that the file name asks for."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from test_records import example
from tightwidth.plots.memorization import draw, save
from tightwidth.records.memorization import MemorizeRecord

MEMORIZED, MEAN, CERTIFIED = "the iterate at hand", "mean over the iterates so far", "certified for that many steps"


def axes_of(record: MemorizeRecord) -> Axes:
    (axes,) = draw(record).axes
    return axes


def curves(axes: Axes) -> dict[str, np.ndarray]:
    """Return the points of each curve with a label, [n, 2]."""
    lines = axes.get_lines()
    return {
        str(line.get_label()): np.asarray(line.get_xydata())
        for line in lines
        if not str(line.get_label()).startswith("_")
    }


def test_the_curves_are_those_of_the_record():
    record = example()
    drawn = curves(axes_of(record))
    assert set(drawn) == {MEMORIZED, MEAN, CERTIFIED}
    looks = [point for point in record.curve if point.step > 0]  # 0 has no place on a logarithmic axis
    np.testing.assert_array_equal(drawn[MEMORIZED], [(point.step, point.fraction) for point in looks])
    np.testing.assert_array_equal(drawn[MEAN], [(point.step, point.mean_fraction) for point in looks])
    np.testing.assert_array_equal(drawn[CERTIFIED], [(point.step, point.certified) for point in looks])


def test_without_certificate_two_curves_are_left():
    curve = tuple(point.model_copy(update={"certified": None}) for point in example().curve)
    assert set(curves(axes_of(example(curve=curve, certified_fraction=None)))) == {MEMORIZED, MEAN}


def test_lines_can_be_told_apart_without_colour():
    styles = [line.get_linestyle() for line in axes_of(example()).get_lines()[:3]]
    assert len(set(styles)) == 3


def test_axes_and_marks():
    axes = axes_of(example())
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "steps of SGD"
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 1
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"1 - ε = 0.95", "planned steps", "no gradient is left"}
    across = [np.unique(np.asarray(line.get_xdata())) for line in axes.get_lines()]
    assert sorted(float(x[0]) for x in across if len(x) == 1) == [990, 4000]
    stopped = axes_of(example(stopped="steps", n_steps=4000))
    assert {text.get_text() for text in stopped.texts} == {"1 - ε = 0.95", "planned steps"}


def test_the_title_says_what_was_run():
    assert axes_of(example()).get_title(loc="left") == (
        "example: 64 points in 8 dimensions, relu, B = ∞\n16 pairs, 288 parameters, 4.50 a point"
    )
    assert "tanh, B = 1e+07" in axes_of(example(output_scale=1e7, activation="tanh")).get_title(loc="left")


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats(suffix, magic, tmp_path):
    path = tmp_path / f"figure.{suffix}"
    save(example(), path)
    content = path.read_bytes()
    assert content.startswith(magic)
    assert len(content) > 5000


def test_nothing_but_the_record_is_needed(tmp_path):
    # A record that was written and read again gives the same picture.
    again = MemorizeRecord.model_validate_json(example().to_json())
    for record, name in ((example(), "first.png"), (again, "again.png")):
        save(record, tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()

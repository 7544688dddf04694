"""A sweep's file: which cells it stands for, and what is said of one that is wrong."""

import itertools
import tomllib
from typing import Literal

import numpy as np
import pytest
from pydantic import Field, model_validator

import sweep_cases
from sweep_cases import CaseConfig
from tightwidth.errors import InputError
from tightwidth.experiments import grid
from tightwidth.experiments.bounded_distributions import BoundedConfig
from tightwidth.experiments.experiment import Config, Experiment, one_by_one

HEAD = 'experiment = "bounded_distributions"\n'


class ManyKinds(Config):
    """Hold fields of several kinds, two of which exclude each other."""

    width: int | None = Field(None, ge=1)
    rate: float = 1.0
    kind: Literal["relu", "tanh"] = "relu"
    sizes: tuple[int, ...] = (1,)

    @model_validator(mode="after")
    def _check(self):
        if self.kind == "tanh" and self.rate > 5:
            message = "tanh has no rate above 5"
            raise ValueError(message)
        return self


MANY = Experiment("MANY", "kinds", ManyKinds, one_by_one(sweep_cases.run_one), sweep_cases.needs)
MANY_HEAD = 'experiment = "test_grid:MANY"\n'


def cells(text: str):
    return grid.from_table(tomllib.loads(text)).cells


def values(text: str, field: str):
    """Return the distinct values of a field, in the order of the cells."""
    return list(dict.fromkeys(getattr(config, field) for _, config in cells(text)))


class TestCells:
    def test_are_every_combination_with_seeds_last(self):
        found = cells(HEAD + "seeds = 2\n[grid]\nn_samples = [30, 10]\nn_features = [4, 5]\n")
        assert found == tuple(
            ("bounded_distributions", BoundedConfig(n_samples=m, n_features=d, seed=seed))
            for m, d, seed in itertools.product([30, 10], [4, 5], [0, 1])
        )

    def test_without_a_grid_there_is_the_default(self):
        assert cells(HEAD) == (("bounded_distributions", BoundedConfig()),)

    def test_fixed_values_are_in_all(self):
        assert values(HEAD + "[grid]\nn_samples = [5, 6]\n[fixed]\nn_features = 9\n", "n_features") == [9]

    def test_seeds_are_a_number_or_a_list(self):
        assert values(HEAD + "seeds = 3", "seed") == [0, 1, 2]
        assert values(HEAD + "seeds = [7, 3, 7]", "seed") == [7, 3]

    def test_a_value_that_is_there_twice_is_one(self):
        assert len(cells(HEAD + "[grid]\nn_samples = [5, 5, 5.0]")) == 1

    def test_lists_of_lists_words_and_infinity(self):
        assert values(MANY_HEAD + "[grid]\nsizes = [[1, 2], [3]]", "sizes") == [(1, 2), (3,)]
        assert values(MANY_HEAD + '[grid]\nkind = ["tanh", "relu"]', "kind") == ["tanh", "relu"]
        assert values(MANY_HEAD + '[grid]\nrate = [inf, "inf", 1]', "rate") == [float("inf"), 1.0]
        assert values(MANY_HEAD + "[fixed]\nsizes = [4, 5]", "sizes") == [(4, 5)]

    def test_your_own_experiment(self):
        assert cells('experiment = "sweep_cases:PLAIN"\n[grid]\nx = [3]') == ((sweep_cases.NAME, CaseConfig(x=3)),)

    def test_a_file(self, tmp_path):
        path = tmp_path / "a.toml"
        path.write_text(HEAD + "[grid]\nn_samples = [3]", encoding="utf-8")
        assert grid.read(path) == grid.Sweep("bounded_distributions", cells(HEAD + "[grid]\nn_samples = [3]"))


class TestRanges:
    def test_linear_and_logarithmic(self):
        linear = values(MANY_HEAD + "[grid]\nrate = { from = 1, to = 2, steps = 5 }", "rate")
        assert linear == [1.0, 1.25, 1.5, 1.75, 2.0]
        log = values(MANY_HEAD + '[grid]\nrate = { from = 0.01, to = 100, steps = 5, scale = "log" }', "rate")
        np.testing.assert_allclose(log, [0.01, 0.1, 1, 10, 100], rtol=1e-14)
        assert (log[0], log[-1]) == (0.01, 100.0)

    def test_whole_numbers_are_rounded_and_made_unique(self):
        text = HEAD + '[grid]\nn_samples = { from = 2, to = 16, steps = 30, scale = "log" }'
        found = values(text, "n_samples")
        assert found == sorted({round(2 * 8 ** (k / 29)) for k in range(30)})
        assert all(type(m) is int for m in found)

    def test_of_a_whole_number_or_none(self):
        assert values(MANY_HEAD + "[grid]\nwidth = { from = 1, to = 3, steps = 3 }", "width") == [1, 2, 3]

    def test_downwards(self):
        assert values(MANY_HEAD + "[grid]\nwidth = { from = 9, to = 3, steps = 3 }", "width") == [9, 6, 3]


def range_of(text: str) -> str:
    return HEAD + "[grid]\nn_samples = { " + text + " }"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "there is no key experiment; name one of initialization, weight_changes"),
        ("experiment = 3", "experiment = 3 is no name; give one of initialization, weight_changes"),
        ('experiment = "bounded"', "experiment 'bounded' is unknown; known: .*bounded_distributions"),
        ('experiment = "nowhere:X"', "'nowhere:X' cannot be imported .No module named 'nowhere'.; see that"),
        ('experiment = ".nowhere:X"', "'.nowhere:X' cannot be imported .*see that its module is on PYTHONPATH"),
        ('experiment = "sweep_cases:X"', "cannot be imported .*has no attribute 'X'"),
        ('experiment = "sweep_cases:LOG"', "'sweep_cases:LOG' is a str; an Experiment is needed"),
        (HEAD + "sedes = 3", "key 'sedes' is unknown; did you mean seeds. known: experiment, seeds, grid, fixed"),
        (HEAD + "zzz = 3", "key 'zzz' is unknown; known: experiment, seeds, grid, fixed"),
        (HEAD + "n_samples = 3", r"n_samples stands outside of \[grid\] and \[fixed\]; put it into one of them"),
        (HEAD + "grid = 3", r"grid = 3 is no table; write \[grid\]"),
        (HEAD + "[grid]\nn_sample = [3]", r"key of \[grid\] 'n_sample' is unknown; did you mean n_samples. known: n_s"),
        (HEAD + "[fixed]\nn_feature = 3", r"key of \[fixed\] 'n_feature' is unknown; did you mean n_features"),
        (HEAD + "[grid]\nseed = [3]", r"seed stands in \[grid\]; give seeds = N or a list"),
        (HEAD + "[grid]\nn_samples = [3]\n[fixed]\nn_samples = 4", r"n_samples is both in \[grid\] and in \[fixed\]"),
        (HEAD + "[grid]\nn_samples = 3", r"grid.n_samples = 3 is no list; give \[3\] or put it into \[fixed\]"),
        (HEAD + "[grid]\nn_samples = []", "grid.n_samples is an empty list; give at least one value"),
        (HEAD + "[grid]\nn_samples = [5, 1]", r"grid.n_samples = 1 does not fit: n_samples .m, the number of points. "),
        (HEAD + '[grid]\nn_samples = ["many"]', "grid.n_samples = 'many' does not fit: .* should be a valid integer"),
        (HEAD + '[grid]\nn_samples = ["5"]', "grid.n_samples = '5' does not fit: .*; write it as one, without quotes"),
        (HEAD + "[grid]\nn_samples = [2.5]", "grid.n_samples = 2.5 does not fit: .* fractional part"),
        (HEAD + "[fixed]\nn_samples = [3, 4]", r"fixed.n_samples = .* does not fit: .*; several values belong into"),
        (MANY_HEAD + "[fixed]\nrate = true", "fixed.rate = True does not fit: rate should be a number"),
        (MANY_HEAD + "[fixed]\nrate = nan", "fixed.rate = nan does not fit: rate should be a number; NaN equals"),
        (MANY_HEAD + '[fixed]\nkind = "gelu"', "fixed.kind = 'gelu' does not fit: kind should be 'relu' or 'tanh'"),
        (
            MANY_HEAD + '[grid]\nkind = ["relu", "tanh"]\nrate = [1, 9]',
            "the cell kind = 'tanh', rate = 9.0, seed = 0 is refused: tanh has no rate above 5; take it out",
        ),
        (HEAD + "seeds = 0", "seeds = 0 must be at least 1; give the number of seeds"),
        (HEAD + "seeds = []", r"seeds = \[\] is neither a number of seeds nor a list"),
        (HEAD + "seeds = true", "seeds = True is neither a number of seeds nor a list"),
        (HEAD + "seeds = [1, -1]", "seeds = -1 does not fit: seed .*greater than or equal to 0"),
        (HEAD + "seeds = 2_000_000", "the grid has 2,000,000 cells .*, and a file may have 1,000,000; take fewer"),
        (
            range_of("from = 2, to = 2001, steps = 2000") + "\nn_features = { from = 2, to = 901, steps = 900 }",
            "the grid has 1,800,000 cells",
        ),
        (range_of("from = 3"), "grid.n_samples lacks to and steps; give { from = A, to = B"),
        (range_of("frm = 3"), "key 'frm' of grid.n_samples is unknown; did you mean from. known: from, to, steps, sc"),
        (range_of("from = 3, to = 9, steps = 1"), "grid.n_samples: steps = 1 must be a whole number from 2 to"),
        (range_of('from = "3", to = 9, steps = 2'), "grid.n_samples: from = '3' is no finite number"),
        (range_of("from = 3, to = inf, steps = 2"), "grid.n_samples: to = inf is no finite number"),
        (range_of(f"from = 3, to = 1{'0' * 400}, steps = 2"), "grid.n_samples: to = 10+ is no finite number"),
        (range_of("from = -1e308, to = 1e308, steps = 2"), r"from = -1e\+308 is no finite number of at most 1e\+300"),
        (
            HEAD + "[grid]\nn_samples = [5_000_000_000_000_000_000_000]",
            r"= 5\.000e\+21 does not fit: .* should be at most",
        ),
        (range_of('from = 3, to = 9, steps = 2, scale = "lg"'), "scale = 'lg' is unknown; give one of linear, log"),
        (
            range_of('from = 0, to = 9, steps = 2, scale = "log"'),
            'from = 0 and to = 9 must be above 0 for scale = "log"',
        ),
        (range_of("from = 1, to = 9, steps = 2"), "grid.n_samples = 1 does not fit: .*greater than or equal to 2"),
        (
            MANY_HEAD + "[grid]\nkind = { from = 1, to = 2, steps = 3 }",
            "grid.kind takes no numbers, so there is no range",
        ),
    ],
)
def test_what_is_wrong_is_named(text, match):
    with pytest.raises(InputError, match=match):
        cells(text)


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "a.toml"
    with pytest.raises(InputError, match=r"a\.toml cannot be read .No such file or directory.; give the TOML file"):
        grid.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a\.toml is not UTF-8 text"):
        grid.read(path)
    path.write_text("experiment = \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.toml is not TOML: .*at line 1, column \d+.; correct it there"):
        grid.read(path)
    for text in (f"seeds = {'1' * 5000}", f"seeds = {'[' * 5000}"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"a\.toml is not the file of a sweep: .*; write smaller numbers"):
            grid.read(path)
    path.write_text("seeds = 3", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.toml: there is no key experiment"):
        grid.read(path)

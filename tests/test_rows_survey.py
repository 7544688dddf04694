"""One reading of all rows: statistics as of the whole, classes, an even sample, sorted targets, orders of passes."""

import numpy as np
import pytest

import thresholds
from tightwidth.data.preprocessing import Standardizer
from tightwidth.data.rows import RowSource, Survey, survey
from tightwidth.data.rows.batches import BatchRows
from tightwidth.data.rows.files import rows_of_arrays
from tightwidth.data.rows.order import (
    BUFFER_NUMBERS,
    BUFFER_ROWS,
    default_buffer,
    groups_of_pass,
    order_in_group,
    read_group,
)
from tightwidth.data.rows.source import Piece, Rows
from tightwidth.data.rows.statistics import ColumnStatistics
from tightwidth.data.rows.survey import ORDERED, SAMPLE_ROWS, OrderOfTargets, SampleOfRows, digest
from tightwidth.data.rows.targets import ClassCounter, Classes, ValueStatistics, classes_of
from tightwidth.errors import DataError
from tightwidth.estimators.inputs import Inputs

SIZES = [1, 500, 2, 37, 1000, 1, 459]
N_ROWS = sum(SIZES)


def surveyed(source: RowSource, *, is_classes=True, seed=0) -> Survey:
    reading = survey(source, is_classes=is_classes, seed=seed)
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            return stop.value


def batches(X, target, sizes=SIZES):
    ends = np.cumsum(sizes)
    assert ends[-1] == len(X)
    return [(X[end - n : end], target[end - n : end]) for n, end in zip(sizes, ends, strict=True)]


def statistics_of(X, sizes=SIZES) -> ColumnStatistics:
    found = ColumnStatistics(X.shape[1])
    for part, _ in batches(X, X, sizes):
        found.add(part)
    return found


def normal(m=N_ROWS, d=3, seed=0):
    return np.random.default_rng(seed).standard_normal((m, d))


class TestColumns:
    @pytest.mark.parametrize("order", ["random", "sorted"])
    @pytest.mark.parametrize(
        ("offset", "scale", "digits"),
        [(0, 1, 13), (1e9, 1, 6), (-1e9, 1e-3, 3), (0, 1e-140, 13), (3e-140, 1e-140, 13), (1e100, 1e100, 13)],
    )
    def test_means_and_deviations_are_those_of_numpy(self, order, offset, scale, digits):
        X = offset + scale * normal()
        X = np.sort(X, axis=0) if order == "sorted" else X
        found = statistics_of(X)
        exact = X.astype(np.longdouble)
        np.testing.assert_allclose(found.mean, exact.mean(axis=0).astype(float), rtol=1e-12, atol=1e-13 * scale)
        deviations = np.sqrt(found.squares / found.n)
        np.testing.assert_allclose(deviations, exact.std(axis=0).astype(float), rtol=10.0**-digits)
        np.testing.assert_array_equal(found.low, X.min(axis=0))
        np.testing.assert_array_equal(found.high, X.max(axis=0))
        np.testing.assert_allclose(found.mean_squared_norm, (exact**2).sum(axis=1).mean().astype(float), rtol=1e-12)
        found.check_range("abc", "X")

    def test_sums_of_squares_would_not_do(self):
        X = 1e9 + normal()
        naive = np.sqrt(np.abs((X**2).mean(axis=0) - X.mean(axis=0) ** 2))
        assert (np.abs(naive / X.std(axis=0) - 1) > 1e-3).all()

    def test_float32_is_summed_in_float64(self):
        X = (1000 + normal(100_000, 1)).astype(np.float32)
        found = statistics_of(X, [50_000] * 2)
        np.testing.assert_allclose(found.standardizer().scale, X.astype(np.float64).std(axis=0), rtol=1e-10)

    def test_constant_columns(self):
        X = normal()
        X[:, 1], X[:, 2] = 1e9 + 0.1, 0
        found, whole = statistics_of(X).standardizer(), Standardizer.fit(X)
        assert found.mean[1:].tolist() == [1e9 + 0.1, 0]
        assert found.scale[1:].tolist() == [np.inf, np.inf]
        np.testing.assert_allclose(found.mean, whole.mean, atol=1e-14)
        np.testing.assert_allclose(found.scale, whole.scale, rtol=1e-13)
        nearly = X.copy()
        nearly[7, 1] += 1e-6
        assert statistics_of(nearly).is_constant.tolist() == [False, False, True]

    @pytest.mark.parametrize("scale", [1e160, 1e300, 1e-155, 1e-200])
    def test_squares_out_of_range(self, scale):
        X = normal()
        X[:, 1] *= scale
        with pytest.raises(
            DataError, match=r"points\.npy, column 'b': values run from .* to .*, whose squares leave t"
        ):
            statistics_of(X).check_range("abc", "points.npy")

    @pytest.mark.parametrize("standardize", [True, False])
    @pytest.mark.parametrize("on_sphere", ["bias", "project"])
    @pytest.mark.parametrize("offset", [0, 50])
    def test_inputs_are_those_of_the_whole(self, standardize, on_sphere, offset):
        X = offset + normal() * [1, 1e-3, 40]
        X[:, 1] = 3
        settings = {"standardize": standardize, "on_sphere": on_sphere}
        found, whole = Inputs.of_columns(statistics_of(X), **settings), Inputs.fit(X, **settings)
        assert found.on_sphere == whole.on_sphere
        np.testing.assert_allclose(found.constant, whole.constant, rtol=1e-12)
        assert (found.standardizer is None) == (not standardize)
        np.testing.assert_allclose(found.transform(X), whole.transform(X), atol=1e-12)

    def test_inputs_of_rows_that_are_all_alike(self):
        X = np.full((N_ROWS, 2), 7.0)
        found = Inputs.of_columns(statistics_of(X), standardize=True, on_sphere="bias")
        assert found.constant == Inputs.fit(X, standardize=True, on_sphere="bias").constant == 1


class TestClasses:
    def counted(self, *parts) -> Classes:
        counter = ClassCounter("data.csv")
        for place, part in enumerate(parts):
            assert counter.add(np.asarray(part), 10 * place) is not None
        return counter.found()

    def test_text_that_stands_for_numbers(self):
        found = self.counted(["1", "10", "2"], ["1.0", "02", "2"])
        assert found.values.tolist() == [1, 2, 10]
        assert found.values.dtype == np.int64
        assert found.counts.tolist() == [2, 3, 1]
        assert found.places(np.array(["2", "1.0", "10", "02"]), 0, "").tolist() == [1, 0, 2, 1]
        found = self.counted(["1", "2.5"])
        assert (found.values.tolist(), found.values.dtype) == ([1, 2.5], np.float64)

    def test_text_among_which_one_is_no_number(self):
        found = self.counted(["1", "10", "2"], ["b", "10"])
        assert found.values.tolist() == ["1", "10", "2", "b"]
        assert found.counts.tolist() == [1, 2, 1, 1]
        assert found.places(np.array(["b", "1"]), 0, "").tolist() == [3, 0]

    @pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, np.bool_])
    def test_numbers(self, dtype):
        found = self.counted(np.array([1, 0], dtype), np.array([1, 1, 0], dtype))
        assert found.values.tolist() == [0, 1]
        assert found.values.dtype == (np.bool_ if dtype is np.bool_ else np.int64)
        assert found.counts.tolist() == [2, 3]
        assert found.places(np.array([1, 0], dtype), 0, "").tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("known", "other"), [([3, 5], 4), ([3, 5], 9), ([3, 5], -1), (["a", "c"], "b"), ([3, 5], np.nan)]
    )
    def test_what_is_no_class(self, known, other):
        with pytest.raises(DataError, match=rf"data: the target '{other}' at data row 12 is none of the classes"):
            classes_of(known).places(np.array([known[0], other]), 10, "data")

    @pytest.mark.parametrize("part", [[1.0, np.nan], [np.inf, np.nan], ["a", "?"], ["a", " "], ["a", "NaN"]])
    def test_missing_targets(self, part):
        row = 12 if part[0] != np.inf else 11
        with pytest.raises(DataError, match=rf"data\.csv: the target at data row {row} is missing or infinite; every"):
            self.counted([0.0] * 10 if isinstance(part[0], float) else ["a"] * 10, part)

    def test_too_many_or_too_few(self):
        assert len(self.counted(np.arange(1000)).values) == 1000
        with pytest.raises(DataError, match=r"more than 1000 different values in the first 1001 rows; classes are nee"):
            self.counted(np.arange(1001))
        with pytest.raises(DataError, match=r"data\.csv: all targets are 7; at least two classes are needed; choose"):
            self.counted(["7", "7.0"])
        with pytest.raises(DataError, match=r"has 2 targets a row; give one class a row"):
            self.counted(np.zeros((3, 2)))

    def test_of_a_survey(self):
        target = np.array(["no", "yes"])[(normal()[:, 0] > 1).astype(int)]
        found = surveyed(BatchRows(batches(normal(), target))).targets
        assert isinstance(found, Classes)
        assert (found.values.tolist(), found.counts.sum()) == (["no", "yes"], len(target))
        assert found.counts[1] == np.sum(target == "yes")


class TestValues:
    @pytest.mark.parametrize("as_text", [True, False])
    def test_mean_and_spread(self, as_text):
        y = 1e6 + normal(d=1)[:, 0]
        given = np.array([repr(float(value)) for value in y]) if as_text else y
        found, whole = (
            surveyed(BatchRows(batches(normal(), given)), is_classes=False).targets,
            Standardizer.fit(y[:, None]),
        )
        assert isinstance(found, Standardizer)
        np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-15)
        np.testing.assert_allclose(found.scale, whole.scale, rtol=1e-9)

    def test_refusals(self):
        with pytest.raises(DataError, match="the target 'two' at data row 12 is no number; values are needed"):
            ValueStatistics("data").add(np.array(["1", "two"]), 10)
        with pytest.raises(DataError, match="the target 'inf' at data row 2 is no number"):
            ValueStatistics("data").add(np.array(["1", "inf"]), 0)
        with pytest.raises(DataError, match="the target at data row 2 is missing or infinite"):
            ValueStatistics("data").add(np.array(["1", ""]), 0)
        huge = ValueStatistics("data")
        huge.add(np.array([1e300, -1e300]), 0)
        with pytest.raises(DataError, match=r"data, column 'target 0': values run from -1e\+300 to 1e\+300"):
            huge.found()


class TestSample:
    N, SEEDS, CELLS = 20_000, 10, 20

    def drawn(self, seed, sizes):
        sample = SampleOfRows(seed)
        for X, target in batches(np.arange(self.N)[:, None], np.arange(self.N).astype(np.str_), sizes):
            sample.add(Rows(X, target))
        return sample.rows()

    def test_every_row_is_drawn_alike(self):
        counts = np.zeros(self.CELLS)
        for seed in range(self.SEEDS):
            rows = self.drawn(seed, [1, 4999, 10_000, 3, 4997])
            places = rows.X[:, 0]
            assert len(np.unique(places)) == SAMPLE_ROWS
            assert np.asarray(rows.target).tolist() == [str(place) for place in places]
            counts += np.bincount(places * self.CELLS // self.N, minlength=self.CELLS)
        statistic, limit = thresholds.chi_square(counts)  # drawn without replacement, counts vary even less
        assert statistic < limit
        first = np.zeros(self.CELLS)
        first[: -(-SAMPLE_ROWS * self.CELLS // self.N)] = 1
        statistic, limit = thresholds.chi_square(counts.sum() * (first / first.sum()), counts * 0 + counts.mean())
        assert statistic > limit

    def test_the_order_of_the_sample_is_random(self):
        places = self.drawn(0, [5000] * 4).X[:, 0] / self.N
        halves = places[: SAMPLE_ROWS // 2].mean() - places[SAMPLE_ROWS // 2 :].mean()
        assert abs(halves) < 2 * thresholds.hoeffding(SAMPLE_ROWS // 2, n_checks=2)
        assert 2 * thresholds.hoeffding(SAMPLE_ROWS // 2, n_checks=2) < 0.5  # by as much as in the order of the file

    def test_the_seed_alone_decides(self):
        whole, cut = self.drawn(3, [self.N]), self.drawn(3, [7, 12_993, 7000])
        np.testing.assert_array_equal(whole.X, cut.X)
        assert not np.array_equal(whole.X, self.drawn(4, [self.N]).X)

    def test_short_files_are_in_it_as_a_whole(self):
        found = surveyed(BatchRows(batches(normal(), np.arange(N_ROWS) % 2)))
        np.testing.assert_array_equal(np.sort(found.sample.X, axis=0), np.sort(normal(), axis=0))


class TestOrderOfTargets:
    N, ROWS = 200_000, 1000

    def is_ordered(self, target, rows=ROWS):
        found = OrderOfTargets()
        for start in range(0, len(target), rows):
            found.add(target[start : start + rows])
        return found.is_ordered()

    def kinds(self):
        """Return targets of many kinds, in order; in random order, none is noticed but with probability 1e-9 each."""
        assert ORDERED <= 1e-9
        rng = np.random.default_rng(5)
        rare = np.zeros(self.N)
        rare[-1] = 1
        return {
            "halves": np.repeat([0, 1], self.N // 2),
            "text": np.repeat(["a", "b", "c", "d"], self.N // 4),
            "normal": np.sort(rng.standard_normal(self.N)),
            "uneven": np.sort(rng.random(self.N) < 0.05),
            "heavy": np.sort(rng.standard_cauchy(self.N)),
            "rare": rare,
        }

    def test_sorted_targets_are_noticed(self):
        for name in ("halves", "text", "normal", "uneven"):
            assert self.is_ordered(self.kinds()[name]), name
            assert self.is_ordered(self.kinds()[name][::-1]), name

    def test_shuffled_targets_are_not(self):
        for seed, (name, target) in enumerate(self.kinds().items()):
            assert not self.is_ordered(np.random.default_rng(seed).permutation(target)), name

    def test_standard_errors_would_not_do(self):
        rare = self.kinds()["rare"]
        off = abs(rare[-self.ROWS :].mean() - rare.mean()) / (rare.std() / np.sqrt(self.ROWS))
        assert off > 10
        assert not self.is_ordered(rare)

    def test_equal_targets(self):
        assert not self.is_ordered(np.ones(5000))

    @pytest.mark.parametrize("as_text", [True, False])
    def test_sorted_values_of_a_survey(self, as_text):
        y = np.arange(4.0 * self.ROWS)
        X = np.ones((len(y), 1)) + y[:, None]
        for target, expected in ((y, True), (np.random.default_rng(1).permutation(y), False)):
            given = target.astype(np.str_) if as_text else target
            found = surveyed(BatchRows(batches(X, given, [self.ROWS] * 4)), is_classes=False)
            assert found.is_ordered == expected


class TestPasses:
    PIECES = tuple(Piece(place // 4, 10 * place, 10, (place, 0, 0)) for place in range(40))

    def test_every_piece_once_in_groups_of_the_buffer(self):
        for buffer in (1, 10, 35, 60, 10_000):
            groups = groups_of_pass(self.PIECES, buffer, seed=1, which=0)
            assert sorted(place for group in groups for place in group) == list(range(40))
            assert all(len(group) == 1 or 10 * len(group) <= buffer for group in groups)
            assert len(groups) == -(-40 // max(1, buffer // 10))

    def test_pieces_of_a_unit_stay_in_order(self):
        order = [place for group in groups_of_pass(self.PIECES, 30, seed=1, which=0) for place in group]
        units = np.reshape(order, (10, 4))
        np.testing.assert_array_equal(units - units[:, :1], np.tile(np.arange(4), (10, 1)))
        assert set(units[:, 0].tolist()) == set(range(0, 40, 4))

    def test_seed_pass_and_place_alone_decide(self):
        def order(**which):
            return groups_of_pass(self.PIECES, 30, **which)

        assert order(seed=1, which=2) == order(seed=1, which=2)
        assert order(seed=1, which=2) != order(seed=1, which=1)
        assert order(seed=1, which=2) != order(seed=2, which=2)
        base = order_in_group(50, seed=1, which=2, group=3)
        np.testing.assert_array_equal(base, order_in_group(50, seed=1, which=2, group=3))
        np.testing.assert_array_equal(np.sort(base), np.arange(50))
        for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
            found = order_in_group(50, **dict(zip(("seed", "which", "group"), other, strict=True)))
            assert not np.array_equal(base, found)

    def test_the_first_unit_of_a_pass_is_any(self):
        units = [groups_of_pass(self.PIECES, 10, seed=seed, which=0)[0][0] // 4 for seed in range(1000)]
        statistic, limit = thresholds.chi_square(np.bincount(units, minlength=10))
        assert statistic < limit

    def test_every_row_once_a_pass(self, monkeypatch):
        monkeypatch.setattr(RowSource, "piece_rows", property(lambda _: 7))
        m = 100
        source = rows_of_arrays(np.arange(float(m))[:, None], np.arange(m) % 2)
        known = surveyed(source)

        def rows_of(which):
            seen = []
            for g, group in enumerate(groups_of_pass(known.pieces, 20, seed=0, which=which)):
                parts = [rows.X[:, 0] for _, rows in read_group(source, known, group)]
                X = np.concatenate(parts)
                seen += X[order_in_group(len(X), seed=0, which=which, group=g)].tolist()
            return seen

        first, second = rows_of(0), rows_of(1)
        assert sorted(first) == sorted(second) == list(range(m))
        assert first != second
        assert first != sorted(first)

    def test_long_rows_have_a_small_buffer(self):
        assert [default_buffer(d) for d in (0, 1, 128, 1000, 10**6)] == [
            BUFFER_ROWS,
            BUFFER_ROWS,
            BUFFER_ROWS,
            BUFFER_NUMBERS // 1000,
            1024,
        ]


class TestChanges:
    def test_a_digest_tells_rows_apart(self):
        X, target = normal(), np.arange(N_ROWS) % 2
        held = digest(Rows(X, target))
        assert held == digest(Rows(np.asfortranarray(X), target.copy()))
        other, turned = X.copy(), target.copy()
        other[-1, -1] = np.nextafter(other[-1, -1], 9)
        turned[3] = 1 - turned[3]
        for changed in (
            Rows(other, target),
            Rows(X, turned),
            Rows(X[::-1], target),
            Rows(X, target[::-1]),
            Rows(X, None),
        ):
            assert digest(changed) != held

    def test_rows_that_change_between_two_passes(self):
        X, target = normal(), np.arange(N_ROWS) % 2
        source = rows_of_arrays(X, target)
        known = surveyed(source)
        assert len(list(read_group(source, known, (0,)))) == 1
        X[4, 1] += 1
        with pytest.raises(DataError, match="X has changed since it was first read; every pass must see the same rows"):
            list(read_group(source, known, (0,)))

    def test_too_few_rows(self):
        with pytest.raises(DataError, match="X has 1 data rows; at least 2 are needed; give more rows"):
            surveyed(rows_of_arrays(normal(1), np.ones(1)))
        with pytest.raises(DataError, match="X has 0 data rows; at least 2 are needed; give more rows"):
            surveyed(rows_of_arrays(normal(0), np.ones(0)))

    def test_missing_values(self):
        X, target = normal(), np.arange(N_ROWS) % 2
        X[[700, 701, 9], [2, 0, 1]] = np.nan, np.inf, -np.inf
        source = BatchRows(batches(X, target))
        with pytest.raises(
            DataError, match=r"holds 3 NaN or infinite values in 3 of 3 columns, first in column 'x1' at data row 10; f"
        ):
            surveyed(source)
        X[:, 1] = np.nan
        with pytest.raises(DataError, match=r"has 1 column without a single finite value: 'x1'; .* remove this column"):
            surveyed(source)
        X[:, 0] = np.inf
        with pytest.raises(DataError, match=r"2 columns without a single finite value: 'x0', 'x1'; .*e these columns"):
            surveyed(source)

    def test_a_sum_that_overflows_is_not_missing(self):
        X = np.full((N_ROWS, 2), 1e308)
        with pytest.raises(DataError, match=r"column 'x0': values run from 1e\+308 to 1e\+308, whose squares leave"):
            surveyed(BatchRows(batches(X, np.arange(len(X)) % 2)))

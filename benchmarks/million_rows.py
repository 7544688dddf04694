"""One pass over a million rows of 94 features that a two-layer teacher labels: time, memory, and what was learnt.

All have as many features as ours has neurons, 1,024, and are tested on 50,000 fresh rows.  Every run has a process of
its own, in which nothing is compiled yet: ours includes the survey, the plan and compiling.  Nothing is tuned; the
loss is that of `MLPClassifier`, the logistic one.
"""

from contests import Case, Contestant, Ratio

TEACHERS, PAIRS = (32, 256, 2048), 512
OURS, PERCEPTRON = "DepthTwoClassifier", "MLPClassifier"
FOURIER, NYSTROEM = "RBFSampler + SGDClassifier", "Nystroem + SGDClassifier"


def case(teacher: int, rows: int, test_rows: int) -> Case:
    """Return the contestants before one teacher."""
    given = {"rows": rows, "test_rows": test_rows, "teacher": teacher, "pairs": PAIRS}
    contestants = (
        Contestant(OURS, "learners:ours", given),
        Contestant(PERCEPTRON, "learners:perceptron", given),
        Contestant(FOURIER, "learners:fourier", given),
        Contestant(NYSTROEM, "learners:nystroem", given),
    )
    ratios = (Ratio(PERCEPTRON, OURS, at_least=3.0), Ratio(FOURIER, OURS), Ratio(NYSTROEM, OURS))
    return Case(f"teacher of {teacher:,} neurons", "pass", contestants, ratios, fresh=True, most_repeats=1)


def cases(quick: bool) -> list[Case]:
    """Return a case for each teacher."""
    return [case(32, 20_000, 5_000)] if quick else [case(teacher, 1_000_000, 50_000) for teacher in TEACHERS]

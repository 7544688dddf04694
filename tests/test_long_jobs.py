"""A job that is driven to its end, or told in other words, is the job itself: events, result, errors."""

import pytest

from tightwidth.long_jobs import finished, told


def job(done, error=None):
    for k in range(3):
        done.append(k)
        yield k
    if error is not None:
        raise error
    return "the result"


def test_a_job_is_run_to_its_end():
    done = []
    assert finished(job(done)) == "the result"
    assert done == [0, 1, 2]


def test_its_events_are_told_one_by_one():
    done, results = [], []

    def other():
        results.append((yield from told(job(done), lambda k: 10 * k)))

    for step, event in enumerate(other()):
        assert event == 10 * step
        assert done == list(range(step + 1)), "no step is taken before it is asked for"
    assert results == ["the result"]


@pytest.mark.parametrize("drive", [finished, lambda steps: list(told(steps, str))])
def test_its_errors_come_through(drive):
    with pytest.raises(ArithmeticError, match="the job itself failed"):
        drive(job([], ArithmeticError("the job itself failed")))


def test_a_job_that_is_left_is_closed():
    closed = []

    def watched():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    steps = watched()
    telling = told(steps, str)
    next(telling)
    telling.close()
    steps.close()
    assert closed == [True]

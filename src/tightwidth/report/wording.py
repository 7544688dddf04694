"""Numbers and verdicts as the page and the command print them."""

import math
import shlex
from collections.abc import Iterable

from tightwidth.cell_records import Verdict
from tightwidth.report.reproduce_record import ReproduceRecord, StatementRecord
from tightwidth.report.reproduction import Finding

HOLDS, FAILS, OPEN = "holds", "fails", "no verdict"


def number(value: float) -> str:
    """Return four significant digits.

    Examples
    --------
    >>> [number(x) for x in (0.12345, 1234567.0, 1.0, 3e-9, float("inf"), float("nan"))]
    ['0.1235', '1,235,000', '1', '3e-09', '∞', 'undefined']
    """
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.4g}".replace("-", "−", 1) if value < 0 else f"{value:.4g}"
    digits = 0 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
    rounded = float(f"{value:.4g}")
    text = f"{rounded:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def predicted(verdict: Verdict) -> str:
    """Return what the statement says of the number."""
    value = number(verdict.predicted)
    if verdict.relation == "within":
        return f"{value} ± {number(verdict.tolerance)}"
    return {"below": f"at most {value}", "above": f"at least {value}", "covers": value}[verdict.relation]


def measured(verdict: Verdict) -> str:
    """Return the number with its interval."""
    return f"{number(verdict.measured)} [{number(verdict.low)}, {number(verdict.high)}]"


def answer(verdict: Verdict) -> str:
    """Return the verdict as a word."""
    return HOLDS if verdict.holds else FAILS


def why_open(finding: Finding | StatementRecord) -> str:
    """Return why a statement has no verdict."""
    if not finding.n_missing:
        return "the records allow no verdict"
    cells = "1 cell" if finding.n_missing == 1 else f"{finding.n_missing:,} cells"
    return f"{cells} ended in an error: {'; '.join(finding.errors) or 'unknown'}"


def conclusion(record: ReproduceRecord) -> str:
    """Return in one sentence how many verdicts hold, and where one does not."""
    n, failed = record.n_verdicts, record.n_failed
    if n == 1:
        text = "The one verdict fails" if failed else "The one verdict holds"
    else:
        text = f"{n - failed} of {n} verdicts hold" if failed else f"All {n} verdicts hold" if n else "No verdict"
    labels = list(dict.fromkeys(statement.label for statement in record.statements if not statement.holds))
    return text + (f"; look at {', '.join(labels)}." if labels else ".")


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    Examples
    --------
    >>> [duration(s) for s in (0.04, 3.21, 75, 3725)]
    ['0.0 s', '3.2 s', '1 min 15 s', '1 h 2 min']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def ranges(values: Iterable[int]) -> str:
    """Return whole numbers with neighbours joined.

    Examples
    --------
    >>> ranges([4, 0, 1, 2, 9])
    '0 to 2, 4, 9'
    """
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def command(record: ReproduceRecord, label: str | None = None) -> str:
    """Return the line that runs everything, or one statement into a folder of its own, again."""
    words = ["tightwidth", "reproduce", f"--{record.level}"]
    if label is not None:
        words += ["--only", label]
    if record.seed:
        words += ["--seed", str(record.seed)]
    words += ["-o", "reproduction" if label is None else slug(label)]
    return shlex.join(words)


def slug(text: str) -> str:
    """Return a name for links and folders.

    Examples
    --------
    >>> slug("Equation (2)"), slug("Section A.5")
    ('equation-2', 'section-a-5')
    """
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split()) or "statement"

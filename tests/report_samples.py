"""Statements about coins: cells that cost nothing, and verdicts, figures and tables of every kind for the page."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.plots import style
from tightwidth.report.reproduction import Finding, Reproduction
from tightwidth.report.statement import Statement, Table

COINS = "coins"
Relation = Literal["below", "above", "covers", "within"]
HOSTILE = """<script>alert("1")</script> & 'x' ]]> </title></style> <!-- {{ 7*7 }} ${a} %s http-less \\"""


class CoinConfig(Config):
    """Hold how often a coin is thrown."""

    n: int = Field(default=10, ge=1)


def throw(config: Any) -> Values:
    """Return the share of heads."""
    return {"heads": float(np.random.default_rng(config.seed).integers(0, 2, config.n).mean())}


def experiment(run: Callable[[Any], Values] = throw) -> Experiment[CoinConfig]:
    """Return the experiment, with another measurement if one is given."""
    return Experiment(COINS, "coins", CoinConfig, one_by_one(run), lambda _config: 8.0)


def verdict(
    relation: Relation = "covers", predicted=0.5, low=0.3, high=0.7, claim="the share of heads", tolerance=0.0
) -> Verdict:
    """Return a verdict with these numbers."""
    return Verdict(
        statement="Theorem 4",
        claim=claim,
        relation=relation,
        predicted=predicted,
        tolerance=tolerance,
        measured=(low + high) / 2,
        low=low,
        high=high,
        how="all of them",
    )


def draw(records: Sequence[CellRecord]):
    """Draw the shares over the seeds."""
    figure, axes = style.canvas()
    axes.plot([r.seed for r in records], [r["heads"] for r in records], "o", color=style.INK, label="coins")
    axes.plot([r.seed for r in records], [0.5] * len(records), "--", color=style.BLUE, label="fair")
    axes.set_xlabel("seed")
    axes.set_ylabel("heads")
    axes.legend()
    return figure


def statement(label="Theorem 4", *, n=10, seeds=2, verdicts=None, text="of coins", stems=("coins",)) -> Statement:
    """Return a statement on coins; ``text`` is in each of its parts."""

    def share(records):
        heads = float(np.mean([r["heads"] for r in records]))
        return [verdict(predicted=0.5, low=heads - 0.5, high=heads + 0.5, claim=f"fair: {text}")]

    return Statement(
        label=label,
        title=f"Title {text}",
        says=f"Says {text}",
        measured=f"Measured {text}",
        cells=lambda level: [(COINS, CoinConfig(n=n if level == "quick" else 9 * n, seed=s)) for s in range(seeds)],
        verdicts=share if verdicts is None else lambda _records: list(verdicts),
        figures={stem: (draw, f"Caption {stem} {text}") for stem in stems},
        tables=lambda records: [
            Table(f"Table {text}", (f"seed {text}", "heads"), tuple((str(r.seed), f"{r['heads']}") for r in records))
        ],
    )


def record_of_coin(config: Config, finished="2020-12-06T00:00:00+00:00") -> CellRecord:
    """Return a record as a store would hold it."""
    return CellRecord(
        experiment=COINS,
        config=config.model_dump(),
        seed=config.seed,
        values=throw(config),
        seconds=1.5,
        device="cpu",
        version="0",
        commit="c0ffee",
        finished=finished,
    )


def found(*statements: Statement) -> Reproduction:
    """Return the findings on statements whose cells are all there."""
    findings = []
    for one in statements:
        records = tuple(record_of_coin(config) for _, config in one.cells("quick"))
        findings.append(Finding(one, records, tuple(one.verdicts(records)), tuple(one.tables(records))))
    return Reproduction("quick", 0, tuple(findings))

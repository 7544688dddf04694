"""The JSON of `tightwidth reproduce`: verdicts and what ran, with nothing of the machine but its class."""

from pydantic import BaseModel, ConfigDict, computed_field

from tightwidth.cell_records import Verdict
from tightwidth.experiments.schedulers.choice import n_cores
from tightwidth.report.reproduction import Reproduction, versions


class VerdictRecord(Verdict):
    """A verdict with its answer."""

    @computed_field
    @property
    def holds(self) -> bool:
        """Whether the measured interval is where the statement puts it."""
        return super().holds


class StatementRecord(BaseModel):
    """One statement: its verdicts, and the figures' files from the folder of the page on.

    Cells that ended in an error are missing; then there is no verdict, and ``errors`` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    title: str
    holds: bool
    verdicts: list[VerdictRecord]
    figures: list[str]
    n_cells: int
    n_missing: int
    errors: list[str]


class ReproduceRecord(BaseModel):
    """What `tightwidth reproduce` prints with --json and writes as verdicts.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: str
    seed: int
    holds: bool
    n_verdicts: int
    n_failed: int
    statements: list[StatementRecord]
    n_cells: int
    seconds: float
    finished: str | None
    devices: list[str]
    cores: int
    versions: dict[str, str]
    commits: list[str]

    def to_json(self) -> str:
        """Return strict JSON: what is not finite is null."""
        return self.model_dump_json(indent=2)


def record_of(found: Reproduction, figures: list[list[str]]) -> ReproduceRecord:
    """Return the record; ``figures`` are the files of each statement."""
    statements = [
        StatementRecord(
            label=finding.statement.label,
            title=finding.statement.title,
            holds=finding.holds,
            verdicts=[VerdictRecord(**dict(verdict)) for verdict in finding.verdicts],
            figures=files,
            n_cells=len(finding.records) + finding.n_missing,
            n_missing=finding.n_missing,
            errors=list(finding.errors),
        )
        for finding, files in zip(found.findings, figures, strict=True)
    ]
    records, verdicts = found.records, found.verdicts
    return ReproduceRecord(
        level=found.level,
        seed=found.seed,
        holds=found.holds,
        n_verdicts=len(verdicts),
        n_failed=sum(not verdict.holds for verdict in verdicts),
        statements=statements,
        n_cells=len(records),
        seconds=sum(record.seconds for record in records),
        finished=max((record.finished for record in records), default=None),
        devices=sorted({record.device for record in records}),
        cores=n_cores(),
        versions=versions(),
        commits=sorted({record.commit for record in records if record.commit}),
    )

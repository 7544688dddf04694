"""tightwidth memorize: see a two-layer network memorize data with about as few parameters as possible."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from tightwidth.cli.devices import choose
from tightwidth.cli.options import (
    AUTO,
    auto_or,
    check_figure_format,
    check_kept,
    check_writable,
    write_files,
    write_json,
)
from tightwidth.errors import DataError, InputError

DEFAULT_POINTS, DEFAULT_DIM = 1024, 32


def memorize(
    data: Annotated[
        str | None,
        typer.Argument(
            help="digits, breast_cancer, wine, or a file (.npz .npy .csv .parquet .svm); none: random points"
        ),
    ] = None,
    points: Annotated[int | None, typer.Option(help=f"number of random points [{DEFAULT_POINTS}]")] = None,
    dim: Annotated[int | None, typer.Option(help=f"dimension of the random points [{DEFAULT_DIM}]")] = None,
    target: Annotated[str | None, typer.Option(help="target column, by name or index [target, label or y]")] = None,
    labels: Annotated[Path | None, typer.Option(help="for .npy: a file with one target value a row")] = None,
    positive: Annotated[str | None, typer.Option(help="the target value that becomes +1; all others are -1")] = None,
    random_labels: Annotated[bool, typer.Option("--random-labels", help="keep the inputs, draw fair labels")] = False,
    standardize: Annotated[
        bool | None, typer.Option(help="centre and scale the columns [yes for data, no for random points]")
    ] = None,
    on_sphere: Annotated[str, typer.Option(help="project; bias: append a constant first; require")] = "project",
    pairs: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="q, half the hidden neurons [auto]")
    ] = None,
    output_scale: Annotated[float | None, typer.Option(help="B; inf is the linear limit [inf]")] = None,
    activation: Annotated[str | None, typer.Option(help="such as relu, tanh, gelu [relu]")] = None,
    loss: Annotated[
        str | None, typer.Option(help="hinge, perceptron, logistic, absolute, huber, squared [hinge]")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="the share that the certificate may leave unmemorized [0.05]")
    ] = None,
    batch_size: Annotated[Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="points a step [auto]")] = None,
    steps: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="T, the steps planned [auto]")
    ] = None,
    learning_rate: Annotated[
        Any, typer.Option(parser=auto_or(float), metavar="auto|X", help="eta, the embedding's [auto]")
    ] = None,
    target_fraction: Annotated[
        float, typer.Option(help="share the last iterate is to memorize; else exit status 1")
    ] = 1.0,
    stop: Annotated[
        str, typer.Option(help="exact: when no gradient is left; target: at the target fraction")
    ] = "exact",
    plan: Annotated[
        Path | None, typer.Option(help="run the numbers of this JSON file, of tightwidth plan or of an earlier --json")
    ] = None,
    search: Annotated[
        bool,
        typer.Option("--search", help="then find the fewest pairs that memorize everything: linear limit, finite B"),
    ] = False,
    search_seeds: Annotated[int | None, typer.Option(help="searches, each with weights of its own [3]")] = None,
    search_epochs: Annotated[
        int | None, typer.Option(help="how long a width is tried at a finite B, the rest in proportion [3000]")
    ] = None,
    devices: Annotated[
        int | None, typer.Option(help="spread the neurons over so many devices; a CPU counts as many [1]")
    ] = None,
    coordinator: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="where process 0 of several listens, one a machine or GPU")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="how many processes there are, with --coordinator")] = None,
    process: Annotated[int | None, typer.Option(help="which of them this is, from 0 on; that one reports")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="draw memorized fraction against steps, and pairs of --search (.png .pdf .svg)")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float32",
    seed: Annotated[int | None, typer.Option(help="of points, labels, weights and draws [0, or the plan's]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="write the JSON object to this file")] = None,
) -> None:
    """Memorize a labelled sample by Algorithm 1: choose the width, train, count, and certify."""
    given = {
        "n_pairs": pairs,
        "output_scale": output_scale,
        "activation": activation,
        "loss": loss,
        "batch_size": batch_size,
        "n_steps": steps,
        "learning_rate": learning_rate,
        "epsilon": epsilon,
    }
    fixed, sample_of_plan = _read_plan(plan, data)
    settings = DEFAULTS | fixed | {name: value for name, value in given.items() if value is not None}
    settings |= {"target_fraction": target_fraction, "stop": stop}
    if seed is not None:
        settings["seed"] = seed
    if data is None:
        points, dim = (
            sample_of_plan.get(name) if value is None else value for name, value in (("points", points), ("dim", dim))
        )
    place = choose(devices=devices, coordinator=coordinator, processes=processes, process=process)
    for file in (plot, output):
        check_writable(file)
    read = {f"DATA {data}": None if data is None else Path(data), f"--labels {labels}": labels, f"--plan {plan}": plan}
    check_kept(read, output)
    if plot is not None and output is not None and plot.absolute() == output.absolute():
        message = f"--plot {plot} and --output {output} are one file; give two"
        raise InputError(message)
    check_figure_format(plot)
    from tightwidth.cli import memorize_data, memorize_run

    memorize_run.check(settings)
    if search:
        from tightwidth.cli import memorize_search  # here, since it takes a tenth of a second, and few runs search

        wanted = memorize_search.check(seeds=search_seeds, epochs=search_epochs, seed=settings["seed"])
    else:
        wanted = memorize_search = None
        _check_no_search(search_seeds, search_epochs)
    sample = memorize_data.load_sample(
        data,
        points=points,
        dim=dim,
        target=target,
        labels=labels,
        positive=positive,
        random_labels=random_labels,
        standardize=standardize,
        on_sphere=on_sphere,
        dtype=dtype,
        seed=settings["seed"],
    )
    if wanted is not None and memorize_search is not None:
        memorize_search.check_sample(sample, wanted, activation=settings["activation"])
    quiet = as_json or not place.reports
    result = memorize_run.run(sample, settings | {"devices": place.devices}, quiet=quiet)
    if not place.reports:
        return
    from tightwidth.cli import memorize_found, memorize_record, memorize_report  # records take time to import

    record, interrupted = memorize_record.record_of(result, sample.name), False
    if wanted is not None and memorize_search is not None:
        found = memorize_search.run(sample, wanted, activation=settings["activation"], quiet=as_json)
        record, interrupted = record.model_copy(update={"search": found}), not found.finished
    if as_json:
        typer.echo(record.to_json())
    else:
        memorize_report.print_report(record)
    write_files(
        {output: write_json(record.to_json()), plot: lambda path: memorize_report.draw(record, path)},
        quiet=as_json,
        is_done="the run itself is done",
    )
    if interrupted:
        raise KeyboardInterrupt
    if record.fraction_memorized_last < record.target_fraction or memorize_found.is_fruitless(record):
        raise typer.Exit(1)


DEFAULTS = {
    "n_pairs": AUTO,
    "output_scale": math.inf,
    "activation": "relu",
    "loss": "hinge",
    "batch_size": AUTO,
    "n_steps": AUTO,
    "learning_rate": AUTO,
    "epsilon": 0.05,
    "seed": 0,
}
RANDOM = "random points"  # what records call the sample that is drawn where there is no DATA


def _check_no_search(seeds: int | None, epochs: int | None) -> None:
    for option, value in (("--search-seeds", seeds), ("--search-epochs", epochs)):
        if value is not None:
            message = f"{option} {value} is for the search; give --search too, or leave it out"
            raise InputError(message)


def _read_plan(path: Path | None, data: str | None) -> tuple[dict[str, Any], dict[str, int]]:
    """Return what a plan fixes: the settings, and the number and dimension of the random points that it is for.

    It is the JSON of `tightwidth plan`, or that of an earlier run.
    """
    if path is None:
        return {}, {}
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"--plan {path} cannot be read ({error.strerror}); give a JSON file, such as tightwidth plan --output"
        raise DataError(message) from None
    except (ValueError, RecursionError):
        message = f"--plan {path} is not JSON; give the object that tightwidth plan or memorize wrote"
        raise DataError(message) from None
    if isinstance(plan, dict) and plan.get("n_steps_planned") is not None:
        plan["n_steps"] = plan["n_steps_planned"]  # in a record n_steps counts the steps that were run
    fixed = {name: plan[name] for name in DEFAULTS if name in plan} if isinstance(plan, dict) else {}
    if not fixed:
        message = f"--plan {path} holds none of {', '.join(DEFAULTS)}; give the object that tightwidth plan wrote"
        raise DataError(message)
    settings = {name: math.inf if value == "inf" else value for name, value in fixed.items() if value is not None}
    assert isinstance(plan, dict)
    if plan.get("goal") == "learn":
        message = (
            f"--plan {path} is for learning, which memorize does not do; plan with --goal memorize, or run it from "
            f"Python: tw.memorize(X, y, plan=tw.plan(X, y, goal='learn'))"
        )
        raise InputError(message)
    if plan.get("chosen", "") is None:
        message = (
            f"--plan {path} certifies no width for its epsilon, so that there is none to run; plan again with another "
            f"--epsilon or --pairs, or give --pairs here instead of --plan"
        )
        raise InputError(message)
    if data is None and plan.get("data", RANDOM) != RANDOM:
        message = f"--plan {path} is for {plan['data']}; give that DATA, and the options it was loaded with"
        raise InputError(message)
    of_plan = {"points": plan.get("n_samples"), "dim": plan.get("n_features")}
    for name, value in of_plan.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            message = f"--plan {path} has {value!r} for --{name}; a whole number is needed there"
            raise DataError(message)
    return settings, {name: value for name, value in of_plan.items() if value is not None}

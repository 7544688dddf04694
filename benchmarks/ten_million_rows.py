"""One pass over ten million rows of a .parquet file: rows a second, and the memory that it takes.

    python benchmarks/ten_million_rows.py [--rows 10000000] [--file FILE] [--group-rows 1048576]

Writes the file if it is not there (3.8 GB), and runs `tightwidth fit` on it in a process of its own, whose largest
resident set the system counts.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet
from teacher import D, teacher_rows


def write(path: Path, rows: int, group_rows: int) -> None:
    """Write rows of one teacher, a row group at a time."""
    rng = np.random.default_rng(0)
    schema = pyarrow.schema([*((f"x{j}", pyarrow.float32()) for j in range(D)), ("label", pyarrow.int8())])
    with parquet.ParquetWriter(path, schema) as out:
        for start in range(0, rows, group_rows):
            X, y = teacher_rows(min(group_rows, rows - start), 32, seed=int(rng.integers(2**31)), teacher=0)
            columns = [*(pyarrow.array(X[:, j]) for j in range(D)), pyarrow.array(y, pyarrow.int8())]
            out.write_table(pyarrow.table(columns, schema=schema), row_group_size=group_rows)


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--group-rows", type=int, default=1 << 20)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--file", type=Path, default=Path(tempfile.gettempdir()) / "ten_million_rows.parquet")
    given = parser.parse_args()
    if not given.file.exists():
        write(given.file, given.rows, given.group_rows)
    model = given.file.with_suffix(".safetensors")
    command = [sys.executable, "-c", "from tightwidth.cli import main; main()", "fit", str(given.file)]
    command += [
        "-o",
        str(model),
        "--task",
        "classify",
        "--passes",
        "1",
        "--pairs",
        str(given.pairs),
        "--json",
        "--anew",
    ]
    command += [
        "--json",
        "--anew",
        "--no-standardize",
        "--on-sphere",
        "require",
    ]  # the rows are unit vectors as they are
    began = time.perf_counter()
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "rows": done["n_rows"],
                "row_group": given.group_rows,
                "pairs": given.pairs,
                "seconds": round(seconds, 1),
                "rows_per_second": round(done["n_rows"] / seconds),
                "wrong_before_learnt": done["online_mean"],
                "peak_rss_GB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6,
            }
        )
    )


if __name__ == "__main__":
    main()

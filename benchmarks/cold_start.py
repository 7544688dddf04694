"""A small job from a cold start, `tightwidth memorize --points 512 --dim 16`, beside what starts anyway.

Each run is a new process that finds JAX's compilation cache empty; *cached* finds what an earlier run left there
(`JAX_COMPILATION_CACHE_DIR`, entries of any size). Python's own compiled modules are kept in either case.
"""

from contests import Case, Contestant, Ratio

COMMAND = "from tightwidth.cli import main; main()"
MEMORIZE = ["-c", COMMAND, "memorize", "--points", "512", "--dim", "16", "--json"]


def cases(quick: bool) -> list[Case]:
    """Return the one case; what it takes is seconds as it is."""
    commands = {
        "python": ["-c", "pass"],
        "import jax": ["-c", "import jax"],
        "tightwidth --help": ["-c", COMMAND, "--help"],
        "memorize": MEMORIZE,
        "memorize, cached": MEMORIZE,
    }
    contestants = tuple(
        Contestant(
            name, "memorizing:command", {"arguments": words, "cached": name.endswith("cached")}, process="starter"
        )
        for name, words in commands.items()
    )
    ratios = (Ratio("memorize", "import jax"), Ratio("memorize", "memorize, cached"))
    return [Case("512 points", "start", contestants, ratios, most_repeats=1 if quick else None)]

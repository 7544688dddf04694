"""Memory is estimated before it is taken."""

import os

from tightwidth.errors import MemoryEstimateError

USABLE_SHARE = 0.8  # of the machine's memory: the rest is for the system and for what XLA keeps beside its buffers


def machine_memory() -> float:
    """Return the machine's memory in bytes, infinity where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def readable_bytes(n_bytes: float) -> str:
    """Return a number of bytes in the largest unit that keeps it above one.

    Examples
    --------
    >>> readable_bytes(1_500_000)
    '1.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.3g} {unit}"


def fits(n_bytes: float, share: float = USABLE_SHARE) -> bool:
    """Return whether so many bytes fit into the given share of the machine's memory."""
    return n_bytes <= share * machine_memory()


def check_fits(n_bytes: float, what: str, advice: str) -> None:
    """Raise before memory is taken that the machine does not have.

    Raises
    ------
    MemoryEstimateError
        If ``n_bytes`` exceeds the usable share of the machine's memory.
    """
    if not fits(n_bytes):
        message = (
            f"{what} needs about {readable_bytes(n_bytes)} and this machine has "
            f"{readable_bytes(machine_memory())}; {advice}"
        )
        raise MemoryEstimateError(message)

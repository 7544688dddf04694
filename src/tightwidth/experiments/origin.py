"""Where numbers come from: the device, the version, and the commit of the sources."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tightwidth


@dataclass(frozen=True)
class Origin:
    """Hold what a record says of where its values were computed."""

    device: str
    platform: str  # as JAX names it: cpu, gpu
    version: str
    commit: str | None

    @classmethod
    @cache
    def here(cls) -> "Origin":
        """Return that of this process, which imports JAX."""
        import jax

        device = jax.devices()[0]
        return cls(device.device_kind, device.platform, tightwidth.__version__, source_commit())


@cache
def source_commit() -> str | None:
    """Return the commit of the sources, with "-dirty" if they were changed since, or None if git does not keep them.

    An installed package may lie in the folder of another project, below which git knows nothing of it.
    """
    folder, git = Path(tightwidth.__file__).parent, shutil.which("git")
    if git is None:
        return None

    def answer(*arguments: str) -> str | None:
        command = [git, "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return done.stdout.strip() if done.returncode == 0 else None

    if answer("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = answer("rev-parse", "HEAD")
    changed = answer("status", "--porcelain", "--untracked-files=no", "--", ".")
    return f"{commit}-dirty" if commit and changed else commit or None

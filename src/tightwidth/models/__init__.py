"""Models in files: saved and loaded to the bit."""

from tightwidth.models.saving import about, load, save

__all__ = ["about", "load", "save"]

"""Models in files: saved and loaded to the bit, and exported to ONNX."""

from tightwidth.models.onnx_export import export_onnx
from tightwidth.models.saving import about, load, save

__all__ = ["about", "export_onnx", "load", "save"]

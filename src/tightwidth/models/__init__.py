"""Models in files: saved and loaded to the bit, and exported to plain weights and to ONNX."""

from tightwidth.models.onnx_export import export_onnx
from tightwidth.models.plain_export import PlainWeights, export_plain
from tightwidth.models.saving import about, load, save

__all__ = ["PlainWeights", "about", "export_onnx", "export_plain", "load", "save"]

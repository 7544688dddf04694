"""Rows of files of any length, in pieces that can be read again in any order.

A file is opened as a `RowSource`, surveyed once (`survey`), and then read in the order of a pass (`passes`), a piece at
a time: memory does not grow with its length.
"""

from tightwidth.data.rows.files import open_rows
from tightwidth.data.rows.source import Piece, Rows, RowSource
from tightwidth.data.rows.survey import Survey, survey

__all__ = ["Piece", "RowSource", "Rows", "Survey", "open_rows", "survey"]

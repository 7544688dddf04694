"""Users' data: built-in sets, files, labels and the scaling of columns.

A source becomes a `Table` (`load`), its target becomes labels of +1 and -1 (`binary_labels`,
`random_labels`), its columns are centred and scaled (`Standardizer`).  Kernel matrices too large for memory are kept on
disk (`save_gram`, `open_gram`).  Whatever is wrong with the data is a `tightwidth.errors.DataError`.
"""

from tightwidth.data.builtin import BUILTIN_NAMES, load_builtin
from tightwidth.data.checks import check_table
from tightwidth.data.files import SUFFIXES, load, load_file
from tightwidth.data.gram_files import open_gram, save_gram, save_gram_steps
from tightwidth.data.labels import binary_labels, random_labels
from tightwidth.data.preprocessing import Standardizer, standardize
from tightwidth.data.table import Table

__all__ = [
    "BUILTIN_NAMES",
    "SUFFIXES",
    "Standardizer",
    "Table",
    "binary_labels",
    "check_table",
    "load",
    "load_builtin",
    "load_file",
    "open_gram",
    "random_labels",
    "save_gram",
    "save_gram_steps",
    "standardize",
]

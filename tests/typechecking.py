"""How the tests execute annotations: by beartype, which takes an int for a float as type checkers do."""

from beartype import BeartypeConf, beartype

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))

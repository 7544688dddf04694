"""What goes wrong, by kind: the data, or a theorem used outside its assumptions."""


class DataError(ValueError):
    """Refuse data that cannot be used as they were given."""


class HypothesisError(ValueError):
    """Refuse to apply a result of the paper outside its assumptions."""


class MemoryEstimateError(ValueError):
    """Refuse work that would need more memory than the machine has, before taking any."""

"""What goes wrong, by kind: what was given, the data, a theorem used outside its assumptions, the memory."""


class InputError(ValueError):
    """Refuse what was given: the message says what it was, what is needed, and what to do."""


class DataError(InputError):
    """Refuse data that cannot be used as they were given."""


class HypothesisError(InputError):
    """Refuse to apply a result of the paper outside its assumptions."""


class MemoryEstimateError(InputError):
    """Refuse work that would need more memory than the machine has, before taking any."""


class ConditioningError(InputError):
    """Refuse a linear system so nearly singular that its solution would be rounding noise."""

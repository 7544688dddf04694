"""The classes that a file may name.  Any other name is refused, so that nothing of a file is ever executed."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.gaussian_process.kernels import Kernel
from sklearn.svm import SVC

from tightwidth import estimators
from tightwidth.algorithm1 import Compensated
from tightwidth.certificates import Certificate, Comparators, Sizing, Spread
from tightwidth.data.preprocessing import Standardizer
from tightwidth.estimators.fit_plan import FitPlan, Patience
from tightwidth.estimators.inputs import Inputs
from tightwidth.estimators.training import FitCertificate
from tightwidth.laziness import Laziness
from tightwidth.linear_solves import Solution
from tightwidth.memorization_result import CurvePoint, MemorizeResult
from tightwidth.network import Displacement, Plain, Tangent
from tightwidth.online_loss import Interval
from tightwidth.planning import Plan
from tightwidth.shared_outputs import Outputs
from tightwidth.width_search import Trial
from tightwidth.worst_case import WorstCase

# frozen dataclasses and named tuples, made anew from their fields
RECORDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Certificate,
        Comparators,
        Compensated,
        CurvePoint,
        Displacement,
        FitCertificate,
        FitPlan,
        Inputs,
        Interval,
        Laziness,
        MemorizeResult,
        Outputs,
        Patience,
        Plain,
        Plan,
        Sizing,
        Solution,
        Spread,
        Standardizer,
        Tangent,
        Trial,
        WorstCase,
    )
}

# objects with parameters and attributes of any name: every public estimator, and the machine inside NTKClassifier
OBJECTS: dict[str, Any] = {
    name: kind
    for name, kind in [*((name, getattr(estimators, name)) for name in estimators.__all__), ("SVC", SVC)]
    if isinstance(kind, type) and issubclass(kind, (BaseEstimator, Kernel))
}

ESTIMATORS = tuple(name for name, kind in OBJECTS.items() if issubclass(kind, BaseEstimator) and name != "SVC")
NETWORKS = (Plain, Displacement, Tangent, Outputs)

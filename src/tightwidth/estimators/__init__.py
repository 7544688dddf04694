"""The scikit-learn face: kernels, features, classifiers and regressors that go into its pipelines and searches.

Inputs are standardised and put on the unit sphere by what the training data showed; what the data look like is said in
a `DataWarning` where it spoils the fit.
"""

from tightwidth.estimators.data_remarks import DataWarning
from tightwidth.estimators.depth_two_classifier import DepthTwoClassifier
from tightwidth.estimators.depth_two_regressor import DepthTwoRegressor
from tightwidth.estimators.kernel_machines import NTKClassifier, NTKRegressor
from tightwidth.estimators.ntk_feature_map import NTKFeatures
from tightwidth.estimators.ntk_kernel import NTKKernel
from tightwidth.estimators.stream_fit import fit_stream, fit_stream_steps
from tightwidth.estimators.stream_run import StreamProgress, StreamWarning

__all__ = [
    "DataWarning",
    "DepthTwoClassifier",
    "DepthTwoRegressor",
    "NTKClassifier",
    "NTKFeatures",
    "NTKKernel",
    "NTKRegressor",
    "StreamProgress",
    "StreamWarning",
    "fit_stream",
    "fit_stream_steps",
]

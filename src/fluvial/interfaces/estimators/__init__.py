"""fluvial for scikit-learn: densities, anomalies, classes, numbers and gaps, all from one exact density of the rows."""

try:
    from fluvial.interfaces.estimators.classifier import FlowClassifier
    from fluvial.interfaces.estimators.density import FlowDensity
    from fluvial.interfaces.estimators.detector import FlowDetector
    from fluvial.interfaces.estimators.imputer import FlowImputer
    from fluvial.interfaces.estimators.regressor import FlowRegressor
except ImportError as error:
    if not (error.name or "").startswith("sklearn"):
        raise
    raise ImportError(
        'FlowDensity and the like need scikit-learn, which is not installed: pip install "fluvial[sklearn]"'
    ) from None

__all__ = ["FlowClassifier", "FlowDensity", "FlowDetector", "FlowImputer", "FlowRegressor"]

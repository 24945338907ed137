"""Flow keeps the contract of pyod's detectors."""

import numpy as np
import pytest

pytest.importorskip("pyod")

from fluvial.interfaces.pyod import Flow

SMALL = {"hidden": [8], "blocks": 1, "components": 2, "classes": 1}


def test_it_answers_as_pyods_own_detectors_do():
    from pyod.utils.data import evaluate_print, generate_data
    from sklearn.base import clone

    train, test, _, known = generate_data(n_train=200, n_test=100, contamination=0.1, random_state=42)
    detector = clone(Flow(contamination=0.1, epochs=2, options=SMALL, random_state=0)).fit(train)
    assert len(detector.decision_scores_) == len(detector.labels_) == 200
    assert detector.labels_.sum() == 20
    assert detector.threshold_ == pytest.approx(np.percentile(detector.decision_scores_, 90))
    scores = detector.decision_function(test)
    np.testing.assert_allclose(detector.decision_function(train), detector.decision_scores_)
    assert set(detector.predict(test)) == {0, 1}
    for method in ("linear", "unify"):
        shares = detector.predict_proba(test, method=method)
        assert shares.shape == (100, 2)
        assert ((shares >= 0) & (shares <= 1)).all()
    labels, confidence = detector.predict(test, return_confidence=True)
    assert len(labels) == len(confidence) == 100
    assert ((confidence >= 0) & (confidence <= 1)).all()
    evaluate_print("Flow", known, scores)
    from sklearn.metrics import roc_auc_score

    assert roc_auc_score(known, scores) > 0.9
    with pytest.raises(ValueError, match="contamination"):
        Flow(contamination=10.0)
    with pytest.raises(Exception, match=r"threshold_|fitted|detector_"):
        Flow().predict(test)

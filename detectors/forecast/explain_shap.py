"""SHAP values against ordinary rows, by the package shap: the one file that imports it."""

import numpy as np
import shap

from tocsin.detectors.forecast.boosted import booster_of, gridded
from tocsin.pipeline.types import FloatArray


def interventional(raw: bytes, features: FloatArray, ordinary: FloatArray) -> FloatArray:
    """SHAP values (N, F) of XGBoost's trees for features (N, F), against ordinary rows (M, F).

    A feature is taken away by putting the ordinary rows' values in its place, whatever the others
    are, so that a feature the trees do not read has none. Cost: as N x M walks of all trees.

    Lundberg and others, From local explanations to global understanding with explainable AI for
    trees, 2020, doi:10.1038/s42256-019-0138-9.
    """
    explainer = shap.TreeExplainer(
        booster_of(raw), gridded(ordinary), feature_perturbation="interventional"
    )
    found = explainer.shap_values(gridded(features), check_additivity=False)
    return np.asarray(found, dtype=np.float64)

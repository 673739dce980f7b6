"""Every detector of the catalogue at settings small enough for the conformance suite and files."""

from typing import Any

# A detector that is not named runs at its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "moving_z": {"window": 12},
    "ewma": {"half_life": 8.0},
    "moving_std": {"window": 12, "half_life": 40.0},
    "mahalanobis": {"half_life": 20.0},
    "half_space_trees": {"trees": 3, "depth": 3, "window": 20},
    "block_dct": {"block": 8, "coefficients": 3, "half_life": 20.0},
    "knn": {"train": 60, "memory": 200},
    "mahalanobis_train": {"train": 60, "memory": 200},
    "pca_residual": {"train": 60, "memory": 200},
    "projection_outlyingness": {"train": 60, "memory": 200, "projections": 100},
    "window_std": {"window": 10, "train": 60, "memory": 200},
    "sub_pca": {"window": 8, "train": 60, "memory": 200},
    "polynomial": {"window": 8, "train": 60, "memory": 200},
    "autoregression": {"lags": 5, "train": 60, "memory": 200},
    "kmeans": {"window": 8, "clusters": 6, "train": 60, "memory": 200},
    "kshape": {"window": 8, "clusters": 3, "train": 60, "memory": 200},
    "lof": {"window": 8, "train": 60, "memory": 200},
    "isolation_forest": {
        "window": 8,
        "train": 60,
        "memory": 200,
        "trees": 20,
        "sample": 32,
        "planes": 16,
    },
    "one_class_svm": {"window": 8, "train": 60, "memory": 200},
    "patch_memory": {
        **{"train": 20, "memory": 60, "widths": (4, 8), "patches": 16},
        **{"adapt": True, "room": 4},
    },
    "batch_test": {
        **{"window": 8, "train": 60, "memory": 200},
        **{"reference": 48, "toys": 16, "centres": 10},
    },
    "compatibility": {"train": 60, "memory": 200, "epochs": 2},
    "path_scores": {"window": 6, "train": 60, "memory": 200},
    "multi_scale": {"scales": (1, 2), "history": 40},
    "per_channel": {"history": 40},
    "ensemble": {"history": 60},
    "river": {
        **{"history": 60, "warmup": 20},
        **{"settings": (("n_trees", 3), ("height", 3), ("window_size", 20))},
    },
    "signature_knn": {"frames": 8, "train": 96, "corpus": 32},
    "signature_mahalanobis": {"frames": 8, "train": 96},
}

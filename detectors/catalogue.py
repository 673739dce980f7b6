"""The detectors by name; what one needs is imported when it is asked for.

Other packages add theirs through the entry-point group `tocsin.scorers`: the entry's name is the
detector's, its value the scorer's class, and the class says by its `traits` what it takes.
"""

import difflib
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from tocsin.pipeline.errors import ConfigError

GROUP = "tocsin.scorers"


@dataclass(frozen=True, slots=True)
class Entry:
    """A detector: its name in configurations, where its class is, what it is and takes.

    `path` is "module:class". `item` is what one frame must be, "any" where only the class can tell.
    `extra` is the optional part of the installation that it needs, or "".
    """

    name: str
    path: str
    summary: str
    item: Literal["channels", "frame", "any"] = "channels"
    extra: str = ""


_HERE = "tocsin.detectors"
CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "moving_z",
            f"{_HERE}.classical.moving_z:MovingZ",
            "how far a value lies from the last ones, in their standard deviations",
        ),
        Entry(
            "ewma",
            f"{_HERE}.classical.ewma:Ewma",
            "how far a value lies from an exponentially weighted mean",
        ),
        Entry(
            "moving_std",
            f"{_HERE}.classical.moving_std:MovingStd",
            "how far the last values spread, against what is usual for the channel",
        ),
        Entry(
            "mahalanobis",
            f"{_HERE}.classical.mahalanobis:Mahalanobis",
            "how far a row lies from the mean, along the channels' correlation",
        ),
        Entry(
            "half_space_trees",
            f"{_HERE}.classical.half_space_trees:HalfSpaceTrees",
            "how thinly a random partition of space was peopled of late",
        ),
        Entry(
            "knn",
            f"{_HERE}.classical.knn:Knn",
            "how far a row lies from the most similar clean rows",
        ),
        Entry(
            "mahalanobis_train",
            f"{_HERE}.classical.mahalanobis_train:MahalanobisTrain",
            "how far a row lies from the mean of clean rows, along their correlation",
        ),
        Entry(
            "patch_memory",
            f"{_HERE}.patches.patch_memory:PatchMemory",
            "how unlike the patches of clean history the newest patches are",
        ),
        Entry(
            "signature_knn",
            f"{_HERE}.signature.signature_knn:SignatureKnn",
            "how far the shape of the last rows is from all shapes seen in clean rows",
        ),
        Entry(
            "signature_mahalanobis",
            f"{_HERE}.signature.signature_mahalanobis:SignatureMahalanobis",
            "how far the shape of the last rows is from the mean of clean shapes",
        ),
        Entry(
            "sub_pca",
            f"{_HERE}.windows.sub_pca:SubPca",
            "how unlikely a window is under the principal subspace of clean ones",
        ),
        Entry(
            "pca_residual",
            f"{_HERE}.classical.pca_residual:PcaResidual",
            "how far a row lies outside the subspace of clean rows",
        ),
        Entry(
            "projection_outlyingness",
            f"{_HERE}.classical.projection_outlyingness:ProjectionOutlyingness",
            "the worst robust distance of a row over random directions",
        ),
        Entry(
            "polynomial",
            f"{_HERE}.windows.polynomial:PolynomialResidual",
            "the newest row against the curve through the rows before it",
        ),
        Entry(
            "autoregression",
            f"{_HERE}.windows.autoregression:AutoregressionResidual",
            "the newest row against a linear forecast from the rows before it",
        ),
        Entry(
            "kmeans",
            f"{_HERE}.windows.kmeans:KMeansWindows",
            "how far a window is from the nearest mean window of clean rows",
        ),
        Entry(
            "kshape",
            f"{_HERE}.windows.kshape:KShapeWindows",
            "what of a window no usual shape explains, at any shift",
        ),
        Entry(
            "lof",
            f"{_HERE}.windows.lof:LofWindows",
            "how much thinner clean windows stand around a window than around its neighbours",
        ),
        Entry(
            "isolation_forest",
            f"{_HERE}.windows.isolation_forest:IsolationForestWindows",
            "how few random cuts set a window apart from clean ones",
        ),
        Entry(
            "one_class_svm",
            f"{_HERE}.windows.one_class_svm:OneClassSvm",
            "how far a window lies outside the region that clean ones fill",
        ),
        Entry(
            "spectral_residual",
            f"{_HERE}.windows.spectral_residual:SpectralResidual",
            "how salient the newest row is in the spectrum of its window",
        ),
        Entry(
            "batch_test",
            f"{_HERE}.events.batches:BatchTest",
            "the last rows as one sample, tested against clean rows",
        ),
        Entry(
            "compatibility",
            f"{_HERE}.events.compatibility:Compatibility",
            "how unlikely an event's categories are together",
        ),
        Entry(
            "path_scores",
            f"{_HERE}.events.path_scores:PathScores",
            "how unlikely a state's recent path is, at any length",
        ),
        Entry(
            "random_cut_forest",
            f"{_HERE}.classical.random_cut_forest:RandomCutForest",
            "how many past points a point displaces in random trees",
        ),
        Entry(
            "matrix_profile",
            f"{_HERE}.windows.matrix_profile:MatrixProfile",
            "how unlike every clean window the last one is in shape",
        ),
        Entry(
            "left_profile",
            f"{_HERE}.windows.left_profile:LeftProfile",
            "how unlike every earlier window of its series the last one is in shape",
        ),
        Entry(
            "rcd",
            f"{_HERE}.context.rcd:RelativeContext",
            "how badly a row fits its context, by an encoder trained elsewhere; of research",
            extra="deep",
        ),
        Entry(
            "rcd_tuned",
            f"{_HERE}.context.rcd_tuned:RcdTuned",
            "how badly a row fits its context, by rcd's encoder tuned on clean rows; of research",
            extra="deep",
        ),
        Entry(
            "themis",
            f"{_HERE}.context.themis:EmbeddingSimilarity",
            "how unlike the embeddings of clean windows the newest one's is; of research",
            extra="deep",
        ),
        Entry(
            "tree_forecast",
            f"{_HERE}.forecast.trees:TreeForecast",
            "the newest row against boosted trees' forecasts from the rows before it",
            extra="trees",
        ),
        Entry(
            "linear_forecast",
            f"{_HERE}.forecast.linear:LinearForecast",
            "the newest row against a vector autoregression, by a loss of choice",
        ),
        Entry(
            "smoothing",
            f"{_HERE}.forecast.smoothing:Smoothing",
            "a value against exponential smoothing with trend and season",
            extra="stats",
        ),
        Entry(
            "state_space",
            f"{_HERE}.forecast.state_space:StateSpace",
            "a value against a Kalman filter of level, season and autoregression",
            extra="stats",
        ),
        Entry(
            "stl",
            f"{_HERE}.forecast.stl:StlResidual",
            "what trend and season leave of a value",
            extra="stats",
        ),
        Entry(
            "online_forecast",
            f"{_HERE}.forecast.online:OnlineForecast",
            "a value against a River regression that goes on learning",
            extra="online",
        ),
        Entry(
            "veracity",
            f"{_HERE}.forecast.cross_check:CrossCheck",
            "which readings the other channels and the past contradict",
        ),
        Entry(
            "autoencoder",
            f"{_HERE}.reconstruction.autoencoder:Autoencoder",
            "how badly a network trained on clean windows rebuilds the newest one",
            extra="deep",
        ),
        Entry(
            "oracle_ad",
            f"{_HERE}.reconstruction.oracle_ad:OracleAd",
            "how badly a row is foretold, and how far the channels' structure has moved",
            extra="deep",
        ),
        Entry(
            "degradation_transformer",
            f"{_HERE}.reconstruction.degradation_transformer:DegradationTransformer",
            "how surely the newest row is spoiled, by a transformer that spoiled clean windows",
            extra="deep",
        ),
        Entry(
            "hyperbolic",
            f"{_HERE}.reconstruction.hyperbolic:HyperbolicReconstruction",
            "how far a window lies from its reconstruction in hyperbolic space; of research",
            extra="deep",
        ),
        Entry(
            "scale_learning",
            f"{_HERE}.reconstruction.scale_learning:ScaleLearning",
            "how badly a network can tell how much of a window it was shown; of research",
            extra="deep",
        ),
        Entry(
            "multi_scale",
            f"{_HERE}.combined.multi_scale:MultiScale",
            "a detector on the series and on its averages over blocks",
        ),
        Entry(
            "refitted",
            f"{_HERE}.combined.refitted:Refitted",
            "a trained detector, fitted anew on the newest clean rows while the run goes on",
        ),
        Entry(
            "per_channel",
            f"{_HERE}.combined.per_channel:PerChannel",
            "a detector of one channel on each channel, joined",
        ),
        Entry(
            "ensemble",
            f"{_HERE}.combined.ensemble:Ensemble",
            "several detectors, joined by their tail probabilities",
        ),
        Entry(
            "river",
            f"{_HERE}.adapters.river:River",
            "an anomaly model or drift detector of River",
            extra="online",
        ),
        Entry(
            "window_std",
            f"{_HERE}.windows.window_std:WindowStd",
            "how far the last rows spread, against clean rows; a baseline",
        ),
        Entry(
            "random",
            f"{_HERE}.controls.random:Random",
            "a control: a number drawn for each row",
        ),
        Entry(
            "constant",
            f"{_HERE}.controls.constant:Constant",
            "a control: the same score for every row",
        ),
        Entry(
            "position",
            f"{_HERE}.controls.position:Position",
            "a control: how late the row is in its series",
        ),
        Entry(
            "block_dct",
            f"{_HERE}.images.block_dct:BlockDct",
            "how far each block of an image lies from what its camera showed there",
            item="frame",
        ),
    )
}


def entries() -> dict[str, Entry]:
    """All detectors by name: ours, then those of installed packages; ours win where names clash."""
    return {name: _foreign(point) for name, point in _points().items()} | CATALOGUE


def find(name: str) -> Entry:
    """The detector of that name; a ConfigError names the nearest where there is none.

    >>> find("ewma").path
    'tocsin.detectors.classical.ewma:Ewma'
    """
    known = entries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
        raise ConfigError(f"no detector is called {name!r}; {hint}")
    return known[name]


def name_of(scorer: type[Any]) -> str:
    """The name of one of our scorers by its class.

    >>> name_of(load("ewma"))
    'ewma'
    """
    path = f"{scorer.__module__}:{scorer.__name__}"
    return next(name for name, entry in CATALOGUE.items() if entry.path == path)


def load(name: str) -> type[Any]:
    """The scorer's class; a ConfigError names the nearest name or the extra that is missing."""
    entry = find(name)
    module, _, attribute = entry.path.partition(":")
    try:
        found: type[Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if not entry.extra or (error.name or "").startswith("tocsin"):
            raise
        raise ConfigError(
            f"detector {name!r} needs {error.name}: pip install 'tocsin[{entry.extra}]'"
        ) from error
    return found


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _foreign(point: EntryPoint) -> Entry:
    source = point.dist.name if point.dist is not None else "an installed package"
    return Entry(point.name, point.value, f"from {source}", item="any")

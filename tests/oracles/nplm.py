"""The test statistic of kernel logistic regression, slowly: one weight a row, any minimiser."""

import numpy as np
from scipy.optimize import minimize

from tocsin.pipeline.types import FloatArray


def kernel(one: FloatArray, other: FloatArray, width: float) -> FloatArray:
    """Gaussian kernel (A, B) between rows (A, C) and (B, C)."""
    square = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-square / (2.0 * width**2)))


def fitted(
    reference: FloatArray, batch: FloatArray, width: float, penalty: float
) -> tuple[float, FloatArray]:
    """The statistic, and the log ratio at the rows of the batch and then of the reference."""
    rows = np.concatenate((batch, reference))
    gram = kernel(rows, rows, width)
    side = np.where(np.arange(len(rows)) < len(batch), 1.0, -1.0)
    weight = np.where(side > 0, 1.0, len(batch) / len(reference))

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        ratio = root @ values
        total = float(weight @ np.logaddexp(0.0, -side * ratio)) + penalty / 2 * float(
            values @ values
        )
        slope = -weight * side / (1.0 + np.exp(side * ratio))
        return total, root.T @ slope + penalty * values

    size, turn = np.linalg.eigh(gram)
    root = turn * np.sqrt(np.maximum(size, 0.0))  # (N, N), root @ root' is the kernel matrix
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 50}
    found = minimize(loss, np.zeros(len(rows)), jac=True, method="L-BFGS-B", options=options)
    ratio = root @ found.x
    now, past = ratio[: len(batch)], ratio[len(batch) :]
    share = len(batch) / len(reference)
    return float(2.0 * (now.sum() - share * np.expm1(past).sum())), ratio

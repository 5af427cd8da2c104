"""t-SNE of a few thousand points, exactly (van der Maaten and Hinton, 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PERPLEXITY = 30.0
ITERATIONS = 750
#: iterations under exaggerated attraction, and its factor
EARLY, EXAGGERATION = 250, 12.0


def tsne(points: Array, perplexity: float = PERPLEXITY, iterations: int = ITERATIONS) -> Array:
    """Positions (N, 2) of ``points`` (N, D) in a plane: neighbours stay neighbours.

    Starts from the first two principal components, so that there is nothing random in it. The
    perplexity is lowered where there are fewer than three times as many points.
    """
    n = len(points)
    if n < 3:
        return np.zeros((n, 2))
    joint = affinities(points, min(perplexity, (n - 1) / 3))
    joint = np.maximum((joint + joint.T) / (2 * n), 1e-12)
    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # signs of principal components are arbitrary: the largest entry is made positive
    axes = axes[:2] * np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(1)])[:, None]
    y: Array = centred @ axes.T
    y = 1e-4 * y / y.std(0).max()
    velocity, gains = np.zeros_like(y), np.ones_like(y)
    rate = max(50.0, n / EXAGGERATION / 4)
    for step in range(iterations):
        gradient = _gradient(joint * (EXAGGERATION if step < EARLY else 1.0), y)
        same = np.sign(gradient) == np.sign(velocity)
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01)
        velocity = (0.5 if step < EARLY else 0.8) * velocity - rate * gains * gradient
        y = y + velocity
    return y - y.mean(0)


def affinities(points: Array, perplexity: float) -> Array:
    """Conditional neighbour probabilities (N, N), rows summing to 1, each row a Gaussian around its
    point whose width gives it the ``perplexity`` (found by bisection)."""
    squares = _squares(points)
    np.fill_diagonal(squares, np.inf)
    low, high = np.zeros(len(points)), np.full(len(points), np.inf)
    beta = np.ones(len(points)) / np.median(squares[np.isfinite(squares)])
    nearest = squares.min(1, keepdims=True)
    for _ in range(60):
        weights = np.exp(-(squares - nearest) * beta[:, None])
        rows = weights / weights.sum(1, keepdims=True)
        entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    return rows


def _squares(points: Array) -> Array:
    norms = (points**2).sum(1)
    return np.maximum(norms[:, None] + norms[None] - 2 * points @ points.T, 0.0)


def _gradient(joint: Array, y: Array) -> Array:
    """Of the Kullback-Leibler divergence from ``joint`` to the plane's Student-t affinities."""
    kernel = 1 / (1 + _squares(y))
    np.fill_diagonal(kernel, 0.0)
    pull = (joint - kernel / kernel.sum()) * kernel
    gradient: Array = 4 * (pull.sum(1, keepdims=True) * y - pull @ y)
    return gradient

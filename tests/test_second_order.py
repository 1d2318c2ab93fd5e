"""Second-order pooling against the same sums in NumPy."""

import numpy as np

from models.second_order import SOFTNESS, Moments, Whitened

RANDOM = np.random.default_rng(0)
MAPS = (RANDOM.normal(size=(40, 3, 5, 6)) @ RANDOM.normal(size=(6, 6)) + 2).astype(np.float32)


def by_hand(places: np.ndarray) -> np.ndarray:
    """Moments of one picture's places (P, C)."""
    products = places.T @ places / len(places)
    return np.concatenate([products[np.triu_indices(products.shape[0])], places.mean(axis=0)])


def test_moments_are_the_mean_products_of_channels_and_their_means():
    expected = np.stack([by_hand(maps.reshape(-1, 6)) for maps in MAPS])
    assert np.allclose(Moments()(MAPS), expected, atol=1e-4)


def test_moments_do_not_depend_on_the_place():
    shuffled = MAPS.reshape(40, 15, 6)[:, RANDOM.permutation(15)].reshape(MAPS.shape)
    assert np.allclose(Moments()(shuffled), Moments()(MAPS), atol=1e-4)


def test_fitted_whitening_makes_the_channels_of_all_pictures_uncorrelated():
    features = np.concatenate([np.ones((40, 2), np.float32), Moments()(MAPS)], axis=1)
    layer = Whitened(6, 6)
    layer(features)
    layer.fit([features[:10], features[10:]])
    mean, projection = layer.get_weights()
    white = (MAPS.reshape(-1, 6) - mean) @ projection
    correlation = np.corrcoef(white.T)
    assert np.abs(mean - MAPS.reshape(-1, 6).mean(axis=0)).max() < 1e-4
    assert np.abs(correlation - np.eye(6)).max() < 1e-3


def test_whitened_moments_are_those_of_whitened_maps_as_signed_square_roots():
    features = np.concatenate([np.full((40, 2), 7, np.float32), Moments()(MAPS)], axis=1)
    layer = Whitened(6, 4)
    layer(features)
    layer.fit([features])
    mean, projection = layer.get_weights()
    white = (MAPS.reshape(40, 15, 6) - mean) @ projection
    products = np.einsum("npk,npl->nkl", white, white) / 15
    kept = products[:, *np.triu_indices(4)]
    expected = np.concatenate([np.full((40, 2), 7), kept / np.sqrt(np.abs(kept) + SOFTNESS)], axis=1)
    assert np.allclose(layer(features), expected, atol=1e-3)

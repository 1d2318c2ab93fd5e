"""Metrics and calibration against values worked out by hand or by brute force."""

import math

import numpy as np
import pytest

from models.calibration import Calibration, fit_calibration, fit_offset, log_loss
from models.metrics import measure, roc_auc, wilson_interval


def test_the_wilson_interval_equals_the_published_example():
    # R. G. Newcombe (1998), Table I: 81 of 263 gives 0.2553 to 0.3662.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_the_wilson_interval_stays_inside_0_and_1_at_the_ends():
    assert wilson_interval(0, 10)[0] == pytest.approx(0.0, abs=1e-12)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least one"):
        wilson_interval(0, 0)


def test_auc_equals_counting_every_pair_with_ties_half():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 80)
    scores = rng.integers(0, 10, 80) / 10
    pairs = [(a > b) + (a == b) / 2 for a in scores[labels == 1] for b in scores[labels == 0]]
    assert roc_auc(labels, scores) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_nan():
    assert math.isnan(roc_auc(np.ones(3), np.array([0.1, 0.2, 0.3])))


def test_confusion_rows_are_true_classes_and_a_half_counts_as_class_1():
    metrics = measure(np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.5, 0.4, 0.5, 0.2]))
    assert metrics.confusion == ((2, 1), (1, 1))
    assert metrics.accuracy == pytest.approx(3 / 5)


def test_log_loss_of_certain_misses_is_finite():
    assert log_loss(np.array([1, 0]), np.array([0.0, 1.0])) == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_fitting_finds_the_temperature_that_the_scores_were_heated_with():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-logits))).astype(int)
    overconfident = 1 / (1 + np.exp(-logits * 2.5))
    fitted = fit_calibration(labels, overconfident)
    assert fitted.temperature == pytest.approx(2.5, rel=0.05)
    assert log_loss(labels, fitted.apply(overconfident)) < log_loss(labels, overconfident)


def test_calibration_keeps_order_labels_and_the_clip():
    probabilities = np.array([0.0, 1e-7, 0.2, 0.4999, 0.5, 0.5001, 0.9, 1.0])
    for temperature in (0.3, 1.0, 2.0):
        calibrated = Calibration(temperature, clip=0.01).apply(probabilities)
        assert np.all(np.diff(calibrated) >= 0)
        assert calibrated.min() == pytest.approx(0.01)
        assert calibrated.max() == pytest.approx(0.99)
        assert np.array_equal(calibrated >= 0.5, probabilities >= 0.5)


def test_fitting_finds_the_offset_that_was_taken_from_the_logits():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-logits))).astype(int)
    aslant = 1 / (1 + np.exp(-(logits * 2 - 1.5)))
    offset, loss = fit_offset(labels, aslant)
    assert offset == pytest.approx(1.5, abs=0.15)
    assert loss < log_loss(labels, fit_calibration(labels, aslant).apply(aslant))


def test_a_few_pictures_or_one_class_move_the_output_little():
    certain = np.array([0.001, 0.01, 0.02, 0.99])
    assert abs(fit_offset(np.array([0, 0, 0, 1]), certain)[0]) < 1
    offset, loss = fit_offset(np.ones(4), certain)
    assert 0 < offset < 3 and np.isfinite(loss)
    says_nothing = np.array([0.4, 0.6] * 6)
    assert 0 < fit_offset(np.array([1, 1] * 4 + [0, 0] * 2), says_nothing)[0] < 2

"""Intervals that hold what they say, and the stability index."""

import numpy as np
import pytest

from models.intervals import auc_interval, mean_interval
from models.metrics import roc_auc
from submissions.drift import drift_verdict, population_stability


def test_nineteen_of_twenty_intervals_of_a_mean_hold_the_truth():
    random = np.random.default_rng(0)
    held = [low <= 1 <= high for low, high in (mean_interval(random.exponential(1, 300)) for _ in range(400))]
    assert 0.91 < np.mean(held) < 0.98


def test_nineteen_of_twenty_intervals_of_an_area_hold_the_truth():
    random, labels = np.random.default_rng(1), np.arange(300) % 2
    truth = roc_auc(np.arange(200_000) % 2, random.normal(np.arange(200_000) % 2, 1))
    held = [low <= truth <= high for low, high in (auc_interval(labels, random.normal(labels, 1)) for _ in range(400))]
    assert 0.91 < np.mean(held) < 0.98


def test_an_area_without_uncertainty_or_classes_is_no_fault():
    assert auc_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])) == (1, 1)
    assert np.isnan(auc_interval(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.8]))).all()


def test_the_index_is_small_for_the_same_spread_and_large_for_another():
    random = np.random.default_rng(2)
    expected = random.beta(0.1, 0.1, 3000)
    assert population_stability(expected, random.beta(0.1, 0.1, 500)) < 0.1
    assert population_stability(expected, random.beta(0.5, 0.1, 500)) > 0.25
    assert population_stability(expected, expected) == pytest.approx(0, abs=1e-9)


def test_the_index_of_values_that_are_all_equal_or_outside_is_a_number():
    assert population_stability(np.full(100, 0.5), np.full(50, 0.5)) == pytest.approx(0, abs=0.05)
    assert population_stability(np.linspace(0, 1, 100), np.full(200, 7.0)) > 1


def test_an_index_in_words_depends_on_the_number_of_pictures():
    assert drift_verdict(0.8, 12, 3000) == "too few pictures to tell"
    verdicts = [drift_verdict(index, 500, 3000) for index in (0.05, 0.15, 0.3)]
    assert verdicts == ["alike", "a shift worth a look", "drifted"]


def test_chance_alone_is_seldom_called_a_shift():
    random = np.random.default_rng(3)
    called = []
    for _ in range(300):
        expected, actual = random.beta(0.2, 0.2, 200), random.beta(0.2, 0.2, 200)
        called.append(drift_verdict(population_stability(expected, actual), 200, 200) == "alike")
    assert np.mean(called) > 0.9

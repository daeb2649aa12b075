"""The median's interval."""

from __future__ import annotations

import random

from joulia.records.stats import median_interval


def test_fewer_than_six_samples_have_no_interval_at_95_percent():
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert median_interval([6.0, 1.0, 2.0, 3.0, 4.0, 5.0]) == (1.0, 6.0)


def test_nine_samples_give_the_second_and_the_eighth():
    """Binomial tables: for n = 9 the pair (2, 8) covers 96.1 %, (3, 7) only 82 %."""
    assert median_interval([float(i) for i in range(1, 10)]) == (2.0, 8.0)


def test_the_interval_covers_the_median_as_often_as_it_says():
    noise = random.Random(7)
    hits = 0
    for _ in range(2000):
        low, high = median_interval([noise.expovariate(1.0) for _ in range(11)]) or (0.0, 0.0)
        hits += low <= 0.6931471805599453 <= high
    assert hits >= 0.95 * 2000

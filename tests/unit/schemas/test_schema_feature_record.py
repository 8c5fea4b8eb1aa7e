"""The values by name and as a table."""

import numpy as np
import pytest

from schemas import FEATURE_NAMES, FEATURE_TABLE, STATISTICS
from tests.golden_wire import FEATURES


def test_features_of_4_statistics_have_names_of_their_own() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == len(FEATURE_TABLE)
    assert STATISTICS == ("mean", "std", "min", "max")


def test_the_table_has_features_by_statistics() -> None:
    table = FEATURES.features()
    assert table.dtype == np.float64
    np.testing.assert_array_equal(table, (np.arange(72) / 8 - 4).reshape(18, 4))


@pytest.mark.parametrize(("row", "feature"), list(enumerate(FEATURES.feature_names)))
@pytest.mark.parametrize(("column", "statistic"), list(enumerate(STATISTICS)))
def test_a_value_by_its_names_is_that_of_the_table(row: int, column: int, feature: str, statistic: str) -> None:
    assert FEATURES.value(feature, statistic) == FEATURES.features()[row, column]


def test_the_mean_is_meant_where_no_statistic_is_named() -> None:
    assert FEATURES.value("snr_db") == FEATURES.value("snr_db", "mean") == FEATURES.values[4]

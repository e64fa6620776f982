"""What tests have in common: nothing here is a test, and no test imports from a test."""

import pytest

pytest.register_assert_rewrite(
    "tests.helpers.family_checks", "tests.helpers.threads", "tests.helpers.painted"
)

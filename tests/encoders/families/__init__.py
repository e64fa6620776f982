import pytest

pytest.register_assert_rewrite("tests.encoders.families.checks")

"""How a feature's contribution is measured."""

from .contributions import Contributions, GroupedContributions, Method
from .integrated_jacobians import IntegratedJacobians

#: Methods that can be named by a string.
METHODS: dict[str, type[Method]] = {"integrated_jacobians": IntegratedJacobians}

__all__ = ["METHODS", "Contributions", "GroupedContributions", "IntegratedJacobians", "Method"]

"""What an ONNX graph says of a network, before anything runs it."""

from .checks import read
from .errors import GraphError
from .features import GraphFeatures, cost_at, features
from .operators import Cost

__all__ = ["Cost", "GraphError", "GraphFeatures", "cost_at", "features", "read"]

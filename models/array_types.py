"""Array types that several rooms share; shapes stand in the docstrings of their users.

Names of shapes: n rows, f features, k figures or parts.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Chances, log-odds, weights, figures."""
Rows = NDArray[np.float32]
"""Feature rows of shape (n, f); NaN where unknown."""
Labels = NDArray[np.int8]
"""1 or 0; -1 where a label is missing."""
Mask = NDArray[np.bool_]
"""Which rows are meant."""
Positions = NDArray[np.intp]
"""Positions of rows or columns."""

"""Every table of the row path: its columns, their types and what they mean, and the statuses a row can have.

A stage takes the rows that are still alive (status `ok` in the table before) and returns exactly those rows with a
status and a reason of its own, so rows in = sum over statuses at every stage and no row ever vanishes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

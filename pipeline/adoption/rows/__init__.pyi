from .columns import Columns, pick_columns
from .labels import lay_out_rows
from .stream import RowsReader, RowsSource

__all__ = ["Columns", "RowsReader", "RowsSource", "lay_out_rows", "pick_columns"]

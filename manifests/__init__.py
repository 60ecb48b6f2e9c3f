"""The nouns of reLAIONet: labels, tables, receipts and releases. Needs polars and the standard library only."""

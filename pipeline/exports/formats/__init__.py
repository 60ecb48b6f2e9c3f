"""The export formats of this project, one module each: its writer, and the declaration `FORMAT`."""

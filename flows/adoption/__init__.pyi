from .doubles import look_at_doubles
from .report import make_notes, say_adopted, say_mapping, write_release

__all__ = ["look_at_doubles", "make_notes", "say_adopted", "say_mapping", "write_release"]

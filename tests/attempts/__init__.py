"""What strangers can send us to get in, tried on the real code, and the table of it in docs/reference/security.md.

A module here that has `ATTEMPTS` is found by itself: `test_attempts.py` tries them, `python -m tests.docs_tables`
writes the table. `python -m tests.attempts MODULE` tries those of one module and prints what became of each.
"""

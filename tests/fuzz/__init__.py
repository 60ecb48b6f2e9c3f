"""Readers of containers, given bytes that were right once: every answer is a value or an error of this project.

`python -m tests.fuzz.mutate TARGET COUNT SEED` changes good files by chance;
`python -m tests.fuzz.guided TARGET -runs=N` lets atheris choose, where it is installed (`pip install atheris`).
"""

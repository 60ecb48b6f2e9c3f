"""The sentences: command line and Prefect flows over the rooms below."""

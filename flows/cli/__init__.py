"""The command line: thin wrappers that read options, call a flow and turn errors into readable lines."""

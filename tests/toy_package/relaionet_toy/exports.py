"""The toy package's export formats."""

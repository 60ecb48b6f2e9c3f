"""The toy package's metrics."""

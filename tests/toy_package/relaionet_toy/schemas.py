"""The toy package's source schemas."""

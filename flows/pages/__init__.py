"""Pages: what runs and evaluations show in a browser."""

"""Plan rows to text and JSON. Views decide nothing."""

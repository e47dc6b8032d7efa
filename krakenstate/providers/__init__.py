"""Remote systems: what they can do (``base``), and one folder for each."""

"""The life of a task: opening, claiming, attesting, closing."""

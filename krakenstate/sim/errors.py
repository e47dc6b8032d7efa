"""The one exception of this room."""


class DevError(Exception):
    """Something a person asked of the development environment, or of its people, cannot be done.

    Args:
        message: What is wrong, one sentence without a full stop.
        next_step: What to do now; a command, if there is one.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

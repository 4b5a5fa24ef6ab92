class StackError(Exception):
    """The system cannot start or go on; the message says why and what to do."""

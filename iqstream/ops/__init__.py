"""What people run: the command line, the embedded stack, submission, lag and dataset operations."""

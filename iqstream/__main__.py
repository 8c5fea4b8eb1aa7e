"""`python -m iqstream`: the command line."""

from iqstream.ops.cli import main

if __name__ == "__main__":
    main()

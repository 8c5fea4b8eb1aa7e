"""`python -m iqstream`: the command line."""

from iqstream.cli.main import main

if __name__ == "__main__":
    main()

"""`python -m unlearn`: the command line of `unlearn.cli`."""

from unlearn.cli.app import main

if __name__ == "__main__":
    main()

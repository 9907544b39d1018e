"""`python -m membership`."""

from membership.cli.main import main

if __name__ == "__main__":
    main()

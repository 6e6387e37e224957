"""`python -m mirage_runtime` is the command `mirage`."""

from mirage_runtime.cli import main

main()

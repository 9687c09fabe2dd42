"""``python -m api COMMAND``: the command line, where the console script is not on the path."""

from api.cli.main import main

main()

"""The command line: `joulia.cli:main` is the installed command."""

from joulia.cli.main import main as main

"""`python -m adaptergen`"""

from adaptergen.cli import main


if __name__ == "__main__":  # processes that help import this file, too
    main(prog_name="adaptergen")

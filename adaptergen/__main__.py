"""`python -m adaptergen`"""

from adaptergen.cli import main


main(prog_name="adaptergen")

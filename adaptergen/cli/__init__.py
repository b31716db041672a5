"""The commands: each calls the pipeline, prints, and ends in an exit code; nothing else in the tool prints or exits.

Exit codes: 0 done, 1 problems or drift, 2 wrong usage. What parses or renders is imported by the command that
needs it, so that `--help` comes at once.
"""

from adaptergen.cli.group import main
from adaptergen.cli.proving import check, verify
from adaptergen.cli.reading import diff, list_models, plan
from adaptergen.cli.showing import show
from adaptergen.cli.starting import init
from adaptergen.cli.surveying import survey
from adaptergen.cli.training import train_example
from adaptergen.cli.updating import update
from adaptergen.cli.writing import add_model, remove_model


for command in (
    init,
    add_model,
    plan,
    show,
    diff,
    update,
    remove_model,
    list_models,
    check,
    verify,
    train_example,
    survey,
):
    main.add_command(command)

__all__ = ["main"]

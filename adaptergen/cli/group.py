"""The command line itself, and the options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from adaptergen.cli.completion import architectures, models_of_project
from adaptergen.garbage import collect_nothing_at_exit, collected_rarely
from adaptergen.shares import ShareType


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="adaptergen")
@click.option(
    "-C", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".",
    help="Work on the project in this folder.",
)  # fmt: skip
@click.pass_context
def main(context: click.Context, folder: Path) -> None:
    """Put adapters into Hugging Face architectures, from the source of their modeling files.

    \b
    adaptergen init my_adapters           make a project that uses it
    adaptergen add-model gpt_neo          write the integration of GPT Neo
    adaptergen show gpt_neo               see where the adapters sit
    adaptergen diff gpt_neo --upstream    see exactly what changed in borrowed code
    adaptergen verify gpt_neo             prove it right by running it
    adaptergen check                      fail if anything committed is stale (for CI)
    """
    context.obj = folder
    context.with_resource(collected_rarely())
    collect_nothing_at_exit()


name_argument = click.argument("name", shell_complete=architectures)
names_argument = click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=architectures
)  # fmt: skip
optional_names_argument = click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=architectures)
models_argument = click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", shell_complete=models_of_project
)  # fmt: skip
optional_models_argument = click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=models_of_project)
all_option = click.option("--all", "everything", is_flag=True, help="Every model of the project.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
force_option = click.option("--force", is_flag=True, help="Overwrite files that have uncommitted changes.")
dry_run_option = click.option("--dry-run", "--diff", "dry_run", is_flag=True, help="Show the diff, write nothing.")
shard_option = click.option(
    "--shard", type=ShareType(), default="1/1",
    help="Only every nth of them, from the ith on, as one of n machines.",
)  # fmt: skip
verify_option = click.option("--verify/--no-verify", default=True, help="Run the model afterwards (needs torch).")
pr_body_option = click.option(
    "--pr-body", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the description of a pull request there, in Markdown.",
)  # fmt: skip

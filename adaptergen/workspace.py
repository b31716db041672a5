"""The project tree: the only module that reads or writes it, and asks git. Changes are applied all or not at all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

from msgspec import Struct

from adaptergen import transaction
from adaptergen.changes import Change, ChangeSet
from adaptergen.naming import checked_name, folder_name
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import load
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.settings import Settings, read_settings
from adaptergen.text_files import read_text, refuse_conflicts


OWN_TEMPLATES = (Path(__file__).parent / "_templates", Path(__file__).parent.parent / "templates")


class Workspace(Struct, frozen=True, dict=True):
    """A project that adaptergen writes into: the folder of its pyproject.toml, and what that says."""

    root: Path
    settings: Settings

    @property
    def templates(self) -> Path:
        """The project's own templates, or those that came with the tool.

        Raises:
            ProblemsFound: the project has no such folder.
        """
        if not self.settings.templates:
            return own_templates()
        folder = self.path(self.settings.templates)
        if not folder.is_dir():
            fix = "make it, or remove `templates` from [tool.adaptergen] to use those of adaptergen"
            message = "there is no such folder of templates"
            raise ProblemsFound(Problem("no-templates", message, Location(self.settings.templates), fix))
        return folder

    def path(self, relative: str) -> Path:
        """The place of a file of the project.

        Raises:
            ProblemsFound: it lies outside the project, also by way of a symbolic link.
        """
        path = self.root / relative
        try:
            inside = path.resolve().is_relative_to(self._real_root)
        except (OSError, RuntimeError):  # links that lead to each other
            inside = False
        if not inside:
            message, fix = "leads outside of the project by a symbolic link", "replace the link by a folder or file"
            raise ProblemsFound(Problem("outside", message, Location(relative), fix))
        return path

    @cached_property
    def _real_root(self) -> Path:
        return self.root.resolve()

    def read(self, relative: str) -> str | None:
        """The text of a file, or None if there is none.

        Raises:
            ProblemsFound: it is not a readable UTF-8 text file, or has both sides of a merge in it.
        """
        path = self.path(relative)
        if not os.path.exists(path):
            return None
        text = read_text(path, relative)
        refuse_conflicts(text, relative)
        return text

    def names(self) -> tuple[str, ...]:
        """The models of the project: every folder that has a plan."""
        models = self.root / self.settings.model_folder("")
        return tuple(sorted(path.parent.name for path in models.glob("*/plan.toml")))

    def plan(self, name: str) -> IntegrationPlan | None:
        path = self.settings.plan_path(checked_name(name))
        text = self.read(path)
        return load(text, path) if text is not None else None

    def model_named(self, name: str) -> str | None:
        """The folder of the model that has this folder or this model type, if the project has one.

        Raises:
            ProblemsFound: nothing can have this name.
        """
        folder = folder_name(name)
        if folder in self.names():
            return folder
        return next((plan.name for plan in self.plans() if plan.model_type == name), None)

    def plans(self, besides: Collection[str] = ()) -> Iterator[IntegrationPlan]:
        """Every plan, but for those in the folders `besides`, which are not read.

        Raises:
            ProblemsFound: all that is wrong with all of them.
        """
        problems: list[Problem] = []
        for name in sorted(set(self.names()) - set(besides)):
            try:
                plan = self.plan(name)
            except ProblemsFound as found:
                problems.extend(found.problems)
                continue
            if plan is not None and plan.name != name:
                at = Location(self.settings.plan_path(name))
                fix = f"move it to {self.settings.plan_path(plan.name)}, or delete it"
                problems.append(Problem("two-names", f"the plan in folder {name} is for {plan.name}", at, fix))
            elif plan is not None:
                yield plan
        if problems:
            raise ProblemsFound(*problems)

    def files_below(self, relative: str) -> tuple[str, ...]:
        folder = self.path(relative)
        found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return tuple(sorted(path.relative_to(self.root).as_posix() for path in found))

    def refuse_half_written(self) -> None:
        """
        Raises:
            ProblemsFound: another run is moving files into the tree.
        """
        transaction.refuse_half_written(self.root)

    def change(self, relative: str, text: str | None) -> Change:
        return Change(relative, self.read(relative), text)

    def uncommitted(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Files among the changes whose present text git would lose; none outside of a repository.

        Raises:
            ProblemsFound: there is a repository, and git does not answer.
        """
        paths = [change.path for change in changes if change.before is not None]
        if not paths or not any((folder / ".git").exists() for folder in (self.root, *self.root.parents)):
            return ()
        command = ["git", "status", "--porcelain", "--no-renames", "--untracked-files=all", "-z", "--", *paths]
        try:
            done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            return ()
        except subprocess.CalledProcessError as error:
            message = f"git cannot say what is committed: {error.stderr.strip() or error}"
            fix = "mend the repository, or pass --force to overwrite whatever is there"
            raise ProblemsFound(Problem("git", message, Location(str(self.root)), fix)) from error
        return tuple(entry[3:] for entry in done.stdout.split("\0") if entry)

    def apply(self, changes: ChangeSet, *, force: bool = False) -> None:
        """Write every change, or leave the tree as it was.

        Raises:
            ProblemsFound: uncommitted changes would be lost, a file changed meanwhile, or the tree cannot be written.
        """
        dirty = () if force else self.uncommitted(changes)
        problems = [Problem("uncommitted", "has uncommitted changes", Location(path), _COMMIT) for path in dirty]
        problems += [
            transaction.changed_meanwhile(change.path) for change in changes if self.read(change.path) != change.before
        ]
        if problems:
            raise ProblemsFound(*problems)
        if changes:
            transaction.commit(self.root, changes)


_COMMIT = "commit or stash it first, or pass --force to overwrite it"


def own_templates() -> Path:
    """Those that came with the tool."""
    return next(folder for folder in OWN_TEMPLATES if folder.is_dir())


@cache
def workspace_at(root: Path) -> Workspace:
    """One for all that a process of several looks at in a project."""
    return find_workspace(root)


def find_workspace(start: Path) -> Workspace:
    """The project that a folder belongs to.

    Raises:
        ProblemsFound: no pyproject.toml on the way up has a table [tool.adaptergen].
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file():
            text = read_text(pyproject, str(pyproject))
            refuse_conflicts(text, str(pyproject))
            settings = read_settings(text, str(pyproject))
            if settings is not None:
                transaction.recover(folder)
                return Workspace(folder, settings)
    fix = 'add to its pyproject.toml:\n\n    [tool.adaptergen]\n    package = "generated"\n'
    raise ProblemsFound(Problem("no-project", f"{start} is not in a project that uses adaptergen", fix=fix))

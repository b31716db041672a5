"""The project tree: the only module that reads or writes it, and asks git. Changes are applied all or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adaptergen import transaction
from adaptergen.changes import Change, ChangeSet
from adaptergen.naming import checked_name
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import load
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.settings import Settings, read_settings


OWN_TEMPLATES = (Path(__file__).parent / "_templates", Path(__file__).parent.parent / "templates")


@dataclass(frozen=True)
class Workspace:
    """A project that adaptergen writes into: the folder of its pyproject.toml, and what that says."""

    root: Path
    settings: Settings

    @property
    def templates(self) -> Path:
        """The project's own templates, or those that came with the tool."""
        if self.settings.templates:
            return self.root / self.settings.templates
        return next(folder for folder in OWN_TEMPLATES if folder.is_dir())

    def path(self, relative: str) -> Path:
        """The place of a file of the project.

        Raises:
            ProblemsFound: it lies outside the project, also by way of a symbolic link.
        """
        path = self.root / relative
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ProblemsFound(Problem("outside", "would be written outside of the project", Location(relative)))
        return path

    def read(self, relative: str) -> str | None:
        """The text of a file, or None if there is none.

        Raises:
            ProblemsFound: it is not a readable UTF-8 text file.
        """
        path = self.path(relative)
        if not path.exists():
            return None
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProblemsFound(Problem("unreadable", f"cannot be read: {error}", Location(relative))) from error

    def names(self) -> tuple[str, ...]:
        """The models of the project: every folder that has a plan."""
        models = self.root / self.settings.model_folder("")
        return tuple(sorted(path.parent.name for path in models.glob("*/plan.toml")))

    def plan(self, name: str) -> IntegrationPlan | None:
        path = self.settings.plan_path(checked_name(name))
        text = self.read(path)
        return load(text, path) if text is not None else None

    def plans(self) -> Iterator[IntegrationPlan]:
        """Every plan.

        Raises:
            ProblemsFound: all that is wrong with all of them.
        """
        problems: list[Problem] = []
        for name in self.names():
            try:
                plan = self.plan(name)
            except ProblemsFound as found:
                problems.extend(found.problems)
                continue
            if plan is not None and plan.name != name:
                at = Location(self.settings.plan_path(name))
                problems.append(Problem("two-names", f"the plan in folder {name} is for {plan.name}", at))
            elif plan is not None:
                yield plan
        if problems:
            raise ProblemsFound(*problems)

    def files_below(self, relative: str) -> tuple[str, ...]:
        folder = self.path(relative)
        found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return tuple(sorted(path.relative_to(self.root).as_posix() for path in found))

    def change(self, relative: str, text: str | None) -> Change:
        return Change(relative, self.read(relative), text)

    def uncommitted(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Files among the changes whose present text git would lose; none outside of a repository."""
        paths = [change.path for change in changes if change.before is not None]
        if not paths:
            return ()
        command = ["git", "status", "--porcelain", "--untracked-files=all", "-z", "--", *paths]
        try:
            done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return ()
        if done.returncode != 0:
            return ()
        return tuple(entry[3:] for entry in done.stdout.split("\0") if entry)

    def apply(self, changes: ChangeSet, *, force: bool = False) -> None:
        """Write every change, or leave the tree as it was.

        Raises:
            ProblemsFound: uncommitted changes would be lost, a file changed meanwhile, or the tree cannot be written.
        """
        dirty = () if force else self.uncommitted(changes)
        problems = [Problem("uncommitted", "has uncommitted changes", Location(path), _COMMIT) for path in dirty]
        problems += [
            Problem("changed", "changed while adaptergen was running", Location(change.path), "run the command again")
            for change in changes
            if self.read(change.path) != change.before
        ]
        if problems:
            raise ProblemsFound(*problems)
        transaction.commit(self.root, changes)


_COMMIT = "commit or stash it first, or pass --force to overwrite it"


def find_workspace(start: Path) -> Workspace:
    """The project that a folder belongs to.

    Raises:
        ProblemsFound: no pyproject.toml on the way up has a table [tool.adaptergen].
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file():
            settings = read_settings(pyproject.read_text(encoding="utf-8"), str(pyproject))
            if settings is not None:
                transaction.recover(folder)
                return Workspace(folder, settings)
    fix = 'add to its pyproject.toml:\n\n    [tool.adaptergen]\n    package = "generated"\n'
    raise ProblemsFound(Problem("no-project", f"{start} is not in a project that uses adaptergen", fix=fix))

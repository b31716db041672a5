"""How does a folder with adapters become a repository on the Hub?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitInfo, HfApi

from generated.core.hub.card import CardTexts, Subject, write_card


CARD = "README.md"


@dataclass(frozen=True)
class Destination:
    """
    Where a folder goes to, and how.

    Args:
        repo_id: name of the repository; it is made if need be.
        private: of a new repository; by default as its owner has settled it.
        token: of the user; by default the one that is logged in.
        revision: branch to commit to; it is made if need be.
        create_pr: propose the commit instead of making it.
        commit_message, commit_description: of the commit.
        overwrite_card: replace a `README.md` that is there.
    """

    repo_id: str
    private: bool | None = None
    token: bool | str | None = None
    revision: str | None = None
    create_pr: bool = False
    commit_message: str | None = None
    commit_description: str | None = None
    overwrite_card: bool = False

    @property
    def api(self) -> HfApi:
        return HfApi(token=self.token)


def push(
    destination: Destination,
    local_path: str | Path | None,
    save: Callable[[Path], None],
    about: Subject,
    texts: CardTexts,
) -> CommitInfo:
    """
    Save to a folder, and upload it.

    Args:
        local_path: the folder; by default one for the time being.
        save: writes the files.
        about, texts: for the page, if there is none.

    Raises:
        HfHubHTTPError: the Hub refuses.
    """
    with _folder(local_path) as folder:
        save(folder)  # before anything is made on the Hub
        api = destination.api
        repo_id = api.create_repo(destination.repo_id, private=destination.private, exist_ok=True).repo_id
        destination = replace(destination, repo_id=repo_id)
        _make_branch(destination)
        if destination.overwrite_card or not _has_card(destination, folder):
            (folder / CARD).write_text(write_card(repo_id, about, texts), encoding="utf-8")
        return api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            ignore_patterns=[".git/*"],
            commit_message=destination.commit_message or "Upload adapter",
            commit_description=destination.commit_description,
            revision=destination.revision,
            create_pr=destination.create_pr,
        )


def former_arguments(repo_id: str | None, token: bool | str | None, former: dict[str, Any]) -> tuple[str, Any]:
    """
    Name of the repository and token, from the arguments of adapter-transformers 3, too.

    Raises:
        TypeError: an argument is not known, or there is no name.
    """
    name, organization = former.pop("repo_name", repo_id), former.pop("organization", None)
    token = former.pop("use_auth_token", token)
    if former:
        raise TypeError(f"unexpected arguments: {', '.join(sorted(former))}")
    if not isinstance(name, str):
        raise TypeError("give the name of the repository: repo_id='user/name'")
    return (name if organization is None else f"{organization}/{name.rpartition('/')[2]}"), token


@contextmanager
def _folder(local_path: str | Path | None) -> Iterator[Path]:
    if local_path is not None:
        yield Path(local_path)
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _make_branch(destination: Destination) -> None:
    name = destination.revision
    if name is not None and not name.startswith("refs/") and not destination.create_pr:
        destination.api.create_branch(destination.repo_id, branch=name, exist_ok=True)


def _has_card(destination: Destination, folder: Path) -> bool:
    if (folder / CARD).exists():
        return True
    return destination.api.file_exists(destination.repo_id, CARD, revision=destination.revision)

"""Does everything work on each of the supported releases of transformers? All is tried in an environment of each.

    python utils/version_range.py vit --versions 5.5.4,5.23.0
    python utils/version_range.py --write           every release, all of the spanning set, and the tables in the docs

In a copy of the project the models are generated again from the release that is installed there (`adaptergen update`),
checked, and verified by running them. Then adapters that were saved under each release are loaded under all others.
Each file in utils/versions/ is a release: what pip installs for it in place of what constraints.txt says.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from packaging.version import Version
from scratch import ROOT, SPANNING_SET, copy_project, run
from version_tables import PINS, RELEASES, checks_told, with_tables


TORCH = "torch==2.13.0"
RESULTS, PAGE = ROOT / "adapter_docs/versions.json", ROOT / "adapter_docs/versions.md"
COVERAGE = "adapter_docs/coverage.json"
PASSED = re.compile(r"^(.+): (\d+) checks, (?:all passed|(\d+) failed)$", re.MULTILINE)

Found = dict[str, Any]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--versions", default=",".join(RELEASES), show_default=True, help="The releases, with commas.")
@click.option(
    "--verify/--no-verify",
    default=True,
    help="Run all checks of each model, which takes long. Else nothing is written of models.",
)
@click.option("--environments", type=click.Path(path_type=Path), default=ROOT, help="Where .venv-VERSION is made.")
@click.option("--write", is_flag=True, help="Write what is found into adapter_docs/versions.json, and the tables.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(names: tuple[str, ...], versions: str, verify: bool, environments: Path, write: bool, as_json: bool) -> None:
    """Generate, check and verify NAMES (the spanning set) under each release, and exchange adapters between them.

    Ends with 1 if anything fails.

    \b
    python utils/version_range.py vit --versions 5.5.4,5.23.0
    """
    chosen, releases = names or SPANNING_SET, sorted(versions.split(","), key=Version)
    unknown = [release for release in releases if release not in RELEASES]
    if unknown:
        raise click.UsageError(f"no file utils/versions/{unknown[0]}.txt; there are: {', '.join(RELEASES)}")
    with TemporaryDirectory(prefix="adaptergen-versions-") as folder:
        projects = {release: Path(folder) / release for release in releases}
        pythons = {release: environment(release, environments) for release in releases}
        found: Found = {"models": {}, "adapters": {}, "all": {}}
        for release, project in projects.items():
            copy_project(project)
            (project / COVERAGE).unlink()  # a survey is of one release
            if not names:
                found["all"][release] = fates(project, pythons[release])
            generated = regenerated(project, pythons[release], release, chosen)
            for name, result in generated.items():
                found["models"].setdefault(name, {})[release] = result
                if verify:
                    result |= verified(project, pythons[release], name)
                    _tell(f"{release} {name}: {result['fate']}, {checks_told(result)}")
                if verify and write:
                    record({"models": {name: {release: result}}})
        found["adapters"] = exchanged(projects, pythons, Path(folder) / "adapters", chosen)
    if write:
        record({key: found[key] for key in ("adapters", "all")})
    if as_json:
        click.echo(json.dumps(found, indent=2))
    sys.exit(1 if list(failures(found)) else 0)


def record(found: Found) -> None:
    """Write what is found, at once: a run takes hours."""
    everything = joined(json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}, found)
    RESULTS.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text(), everything))


def environment(release: str, folder: Path) -> Path:
    """The Python of an environment with this release, made now if it is not as its pins say."""
    home, pins = folder / f".venv-{release}", constraints(release)
    python, ready = home / "bin/python", home / "constraints.txt"
    if not (ready.is_file() and ready.read_text() == pins):
        _tell(f"{release}: making {home}")
        ready.unlink(missing_ok=True)
        venv.create(home, with_pip=True, clear=True)
        pinned = home / "pins.txt"
        pinned.write_text(pins)
        for wanted in ([TORCH], ["-e", str(ROOT)]):
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *wanted, "-c", str(pinned)], check=True)
        pinned.rename(ready)
    return python


def constraints(release: str) -> str:
    """constraints.txt, with what is said of the release in place of what is there."""
    own = (PINS / f"{release}.txt").read_text().splitlines()
    names = {_distribution(line) for line in own}
    usual = (ROOT / "constraints.txt").read_text().splitlines()
    return "".join(f"{line}\n" for line in [*(line for line in usual if _distribution(line) not in names), *own])


def fates(project: Path, python: Path) -> dict[str, int]:
    """How many models of the whole project would be unchanged, regenerated, …; nothing is written."""
    update = run(project, "-m", "adaptergen", "update", "--all", "--dry-run", "--json", python=python)
    counts = Counter(model["fate"] for model in json.loads(update.stdout)["models"].values())
    return dict(counts.most_common())


def regenerated(project: Path, python: Path, release: str, names: Sequence[str]) -> dict[str, Found]:
    """What became of each model when it was generated again, and whether all is as it should be then."""
    update = run(project, "-m", "adaptergen", "update", *names, "--no-verify", "--json", python=python)
    told = json.loads(update.stdout)
    check = run(project, "-m", "adaptergen", "check", *names, "--json", python=python)
    problems = [*told["problems"], *json.loads(check.stdout)["problems"]]
    refused = [(each["model"], each["method"], each["because"]) for each in told["refused"]]
    results: dict[str, Found] = {
        name: {
            "fate": model["fate"],
            "refused": {method: because for of, method, because in refused if of == name},
            "problems": [],
        }
        for name, model in told["models"].items()
    }
    for problem in problems:
        _tell(f"{release}: {problem['path']}: {problem['message']}")
        owner = next((name for name in names if f"/{name}/" in (problem["path"] or "")), names[0])
        results[owner]["problems"].append(problem["message"])
    return results


def verified(project: Path, python: Path, name: str) -> Found:
    """How many checks there were, and which failed."""
    verify = run(project, "-m", "adaptergen", "verify", name, "--json", python=python)
    counts = [(int(count), int(failed or 0)) for _, count, failed in PASSED.findall(verify.stderr)]
    try:
        failed = [problem["message"] for problem in json.loads(verify.stdout)["problems"]]
    except ValueError:
        failed = [(verify.stderr.strip().splitlines() or ["it ended without a word"])[-1]]
    if not counts and not failed:
        failed = ["nothing was run"]
    return {"checks": sum(count for count, _ in counts), "failed": failed}


def exchanged(
    projects: Mapping[str, Path], pythons: Mapping[str, Path], folder: Path, names: Sequence[str]
) -> dict[str, dict[str, Found]]:
    """Model → release that saved → release that loaded → method → "" or what is wrong."""
    if len(projects) < 2:
        return {}

    def call(release: str, *arguments: str) -> str:
        done = run(projects[release], "utils/exchange_adapters.py", *arguments, python=pythons[release])
        if done.returncode:
            raise click.ClickException(f"{release}: {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    call(next(iter(projects)), "models", str(folder), *names)
    for release in projects:
        call(release, "save", str(folder), release, *names)
    found: dict[str, dict[str, Found]] = {name: {} for name in names}
    for saved in projects:
        for loaded in (release for release in projects if release != saved):
            for name, methods in json.loads(call(loaded, "load", str(folder), saved, *names)).items():
                found[name].setdefault(saved, {})[loaded] = methods
                wrong = [f"{method}: {said}" for method, said in methods.items() if said]
                _tell(f"{name}: saved {saved}, loaded {loaded}: {'; '.join(wrong) or f'{len(methods)} adapters'}")
    return found


def failures(found: Found) -> Iterator[str]:
    for releases in found["models"].values():
        for result in releases.values():
            yield from (*result["problems"], *result.get("failed", ()))
    for saved in found["adapters"].values():
        yield from (
            said for loaded in saved.values() for methods in loaded.values() for said in methods.values() if said
        )


def joined(before: Found, now: Found) -> Found:
    """What is found now in place of what was found of the same models and releases before."""
    if not isinstance(now, dict) or not isinstance(before, dict):
        return now
    told = {key: value for key, value in now.items() if value != {}}  # what was not looked at stays as it was
    return (
        now
        | before
        | {key: joined(before.get(key, {}), value) if _is_level(value) else value for key, value in told.items()}
    )


def _is_level(value: object) -> bool:
    """Do keys below stand for models and releases? What is found of one of them is replaced as a whole."""
    return isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()) and "fate" not in value


def _distribution(line: str) -> str:
    return line.partition("==")[0].lower().replace("_", "-")


def _tell(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()

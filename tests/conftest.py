"""What several kinds of tests share."""

import os

import pytest
from hypothesis import settings

# CI must say the same of the same commit; elsewhere every run looks at other examples
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """One real Label Studio for the whole session; installed first where it is not yet."""
    from relaionet.annotations.installation import install_studio
    from relaionet.annotations.server import start_studio
    from relaionet.manifests.errors import Unavailable

    try:
        install_studio()
    except Unavailable as error:
        pytest.skip(f"Label Studio cannot be installed here: {error}")
    with start_studio(tmp_path_factory.mktemp("studio"), timeout_s=240) as server:
        yield server


# what takes longest starts first, so that no worker waits for it at the end
FIRST = ("whole", "studio", "contract", "real", "browser")


def group_of(item: pytest.Item) -> str:
    """Tests of one group run in one process, one after the other, and share what it started once."""
    folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    if folder == "whole":
        return folder
    return "studio" if "studio" in getattr(item, "fixturenames", ()) else item.path.as_posix()


# before xdist's own, which writes the groups into the names of the tests
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        group = group_of(item)
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        names = [name for name in (group, folder) if name in FIRST]
        return FIRST.index(names[0]) if names else len(FIRST)

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def prefect_home_of_this_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Flows that run inside tests keep their server's database apart from the user's, and from another worker's."""
    os.environ.setdefault("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect-home")))

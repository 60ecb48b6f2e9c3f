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

"""Which licences may come into the environment."""

import pytest

from deploy.allowed_licences import refused


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("Apache Software License; MIT License", True),
        ("GNU Affero General Public License v3", False),
        ("MIT AND GPL-3.0-only", False),
        ("SSPL-1.0", False),
        ("UNKNOWN", False),
        ("MIT-like, but not for cats", False),
    ],
)
def test_a_licence_is_allowed_only_if_every_part_of_it_is(licence, allowed):
    assert (refused([{"Name": "package", "Version": "1", "License": licence}]) == []) == allowed

"""What a pipeline says of its run in the environment: whether it is one, and for a pull request."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which what asks first does without
if TYPE_CHECKING:
    from collections.abc import Mapping

_EVENTS = {
    "GITHUB_EVENT_NAME": "pull_request",  # and pull_request_target, pull_request_review; Gitea, Forgejo too
    "GITHUB_REF": "refs/pull/",
    "CI_PIPELINE_SOURCE": "merge_request_event",  # GitLab
    "BUILD_REASON": "PullRequest",  # Azure Pipelines
}
_NUMBERS = (
    "CI_MERGE_REQUEST_ID",  # GitLab
    "CI_MERGE_REQUEST_IID",
    "CI_EXTERNAL_PULL_REQUEST_IID",
    "CHANGE_ID",  # Jenkins
    "BITBUCKET_PR_ID",
    "CIRCLE_PULL_REQUEST",
    "BUILDKITE_PULL_REQUEST",
    "TRAVIS_PULL_REQUEST",
    "DRONE_PULL_REQUEST",
    "CI_COMMIT_PULL_REQUEST",  # Woodpecker
    "PULL_NUM",  # Atlantis
)
VARIABLES = (*_EVENTS, *_NUMBERS)
"""What is looked at, for rehearsals that are nobody's pull request, wherever they run."""


def is_ci(environment: Mapping[str, str]) -> bool:
    """Whether this is a pipeline's run."""
    return environment.get("CI", "").lower() not in {"", "0", "false"}


def is_pull_request(environment: Mapping[str, str]) -> bool:
    """Whether this run is for a pull or merge request, by what common pipelines set."""
    if any(environment.get(name, "").startswith(word) for name, word in _EVENTS.items()):
        return True
    return any(environment.get(name, "").lower() not in {"", "0", "false"} for name in _NUMBERS)

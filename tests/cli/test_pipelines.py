"""What common pipelines say in the environment of a run."""

import pytest

from krakenstate.cli.pipelines import is_pull_request

PULL_REQUESTS = [
    {"GITHUB_EVENT_NAME": "pull_request"},
    {"GITHUB_EVENT_NAME": "pull_request_target"},
    {"GITHUB_EVENT_NAME": "pull_request_review"},
    {"GITHUB_REF": "refs/pull/7/merge"},
    {"CI_PIPELINE_SOURCE": "merge_request_event"},
    {"CI_MERGE_REQUEST_ID": "4711"},
    {"CI_MERGE_REQUEST_IID": "7"},
    {"CI_EXTERNAL_PULL_REQUEST_IID": "7"},
    {"BUILD_REASON": "PullRequest"},
    {"CHANGE_ID": "7"},
    {"BITBUCKET_PR_ID": "7"},
    {"CIRCLE_PULL_REQUEST": "https://git.example/pull/7"},
    {"BUILDKITE_PULL_REQUEST": "7"},
    {"TRAVIS_PULL_REQUEST": "7"},
    {"DRONE_PULL_REQUEST": "7"},
    {"CI_COMMIT_PULL_REQUEST": "7"},
    {"PULL_NUM": "7"},
]
OTHERS = [
    {},
    {"CI": "true"},
    {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"},
    {"GITHUB_EVENT_NAME": "schedule"},
    {"GITHUB_EVENT_NAME": "workflow_dispatch"},
    {"CI_PIPELINE_SOURCE": "schedule", "CI_MERGE_REQUEST_ID": ""},
    {"BUILD_REASON": "IndividualCI"},
    {"BUILDKITE_PULL_REQUEST": "false", "TRAVIS_PULL_REQUEST": "false"},
]


@pytest.mark.parametrize("variables", PULL_REQUESTS, ids=str)
def test_a_pull_request_is_recognised(variables):
    """As GitHub, GitLab, Azure, Jenkins and others announce it."""
    assert is_pull_request(variables)


@pytest.mark.parametrize("variables", OTHERS, ids=str)
def test_other_runs_are_not_taken_for_one(variables):
    """Pushes, schedules, and a run of nobody's pipeline."""
    assert not is_pull_request(variables)

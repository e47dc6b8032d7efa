"""The published schemas: valid, and true of what is printed."""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from krakenstate.model.saved import dump_plan
from krakenstate.stack.load import dump_rendered, load_stack
from krakenstate.views.observe_text import snapshot_json
from krakenstate.views.plan_json import plan_json
from krakenstate.views.plan_shape import PlanShape
from krakenstate.views.saved_text import staleness
from krakenstate.views.schemas import SCHEMAS, schema
from krakenstate.views.state_text import whole_state
from tests.support.looks import plan_of
from tests.support.stacks import write_stack
from tests.support.strategies import desks
from tests.views import samples
from tests.views.plans import NOW, PLANS


@cache
def validator(name):
    """Checks a value against a schema."""
    return Draft202012Validator(schema(name))


def problems(name, value):
    """What is wrong with a value, each with its place."""
    return [f"{e.json_path}: {e.message}" for e in validator(name).iter_errors(value)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name):
    """By the dialect that it names; and it lets newer versions add fields."""
    Draft202012Validator.check_schema(schema(name))
    assert '"additionalProperties": false' not in json.dumps(schema(name))
    assert problems(name, {"error": "x"})


@pytest.mark.parametrize("name", PLANS)
def test_plans_have_their_schema(name):
    """Each situation of the golden files; and no field of theirs is missing from it."""
    value = plan_json(PLANS[name](), now=NOW)
    assert problems("plan", value) == []
    PlanShape.model_validate_json(json.dumps(value))
    shown = {**value, "saved": staleness(PLANS[name](), NOW)}
    assert problems("plan", shown) == []
    PlanShape.model_validate_json(json.dumps(shown))


@settings(deadline=None, max_examples=40)
@given(desks())
def test_whatever_is_planned_has_its_schema(scene):
    """As JSON and as a plan file."""
    made = plan_of(scene.look())
    value = plan_json(made, now=scene.look().now)
    assert problems("plan", value) == []
    PlanShape.model_validate_json(json.dumps(value))
    assert problems("plan-file", json.loads(dump_plan(made))) == []


def test_a_snapshot_has_its_schema():
    """With every kind of observation."""
    assert problems("snapshot", snapshot_json(samples.snapshot())) == []


def test_a_state_has_its_schema():
    """With every kind of record."""
    assert problems("state", json.loads(whole_state(samples.state()))) == []


def test_a_rendered_stack_has_its_schema(tmp_path):
    """As render prints it."""
    key = 'desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))'
    loaded = load_stack(str(write_stack(tmp_path, key)))
    assert problems("desired", json.loads(dump_rendered(loaded.rendered))) == []

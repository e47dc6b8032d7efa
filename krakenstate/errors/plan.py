"""KS705x: saved plans."""

from __future__ import annotations

from krakenstate.errors.command import PlanError


class PlanStale(PlanError):
    """What a saved plan decided is not what would be decided now, or what it touches was changed since."""

    code, headline, exit_code = "KS7051", "Plan is stale", 7
    remedy = "Plan again, and have the new plan approved."


class PlanAppliedAlready(PlanError):
    """A saved plan was carried out before; each is carried out once."""

    code, headline, exit_code = "KS7052", "Plan was applied already", 7
    remedy = "See what is left to do: krakenstate plan"


class PlanOfAnother(PlanError):
    """A saved plan belongs to another stack, environment or lineage than the one it would be applied to."""

    code, headline, exit_code = "KS7053", "Plan belongs to another state", 7
    remedy = "Plan the stack that is meant, against its own state."


class PlanAltered(PlanError):
    """A plan file says another digest than its decision has, or tells another decision than it holds."""

    code, headline, exit_code = "KS7054", "Plan file was altered", 7
    remedy = "Do not apply it. Plan again, and look at who can write the file."


class PlanUnreadable(PlanError):
    """A file is no plan that this version can read."""

    code, headline = "KS7055", "Plan file cannot be read"
    remedy = "Make one with: krakenstate plan --out plan.json"


class ApplyOnPullRequest(PlanError):
    """This run is for a pull or merge request, whose code nobody has approved yet."""

    code, headline = "KS7056", "Apply on a pull request"
    remedy = "Plan here, and apply after the merge."

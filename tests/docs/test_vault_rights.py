"""The policies in concepts.md, installed on a real server: each is enough for its commands, and no more."""

import re

import pytest

from tests.docs.markdown import ROOT, Page
from tests.docs.shell import SCRIPT_MAX_S, run

POLICIES = dict(
    re.findall(
        r"<!-- policy: (\w+) -->\n```hcl\n(.*?)```", Page(ROOT / "docs" / "concepts.md").text, re.DOTALL
    )
)
STACK = """\
from krakenstate import *

stack = Stack(name="first", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/first", state="krakenstate/first"))
runner = stack.add(Allowlist(name="runner", networks=["192.0.2.10"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
quoter = stack.add(Process(name="quoter", owner="trading"))
hedger = stack.add(Process(name="hedger", owner="trading"))
stack.add(SpotKey(name="quoter", account=desk, process=quoter,
    permissions=roles.DASHBOARD, allowlist=[runner]))
stack.add(DerivativesKey(name="hedger", account=desk, process=hedger, general=Access.READ_ONLY,
    transfer=Access.NO_ACCESS, allowlist=[runner]))
"""
BEFORE = """\
eval "$(krakenstate dev up)"
krakenstate dev web create-account --name desk --email ops@desk.example
krakenstate dev egress 192.0.2.10
for name in planner observer operator inbox verifier; do
  bao policy write $name $name.hcl
  bao token create -policy=$name -no-default-policy -field=token > $name.token
done
as() { local token; token="$(cat "$1.token")"; shift; VAULT_TOKEN="$token" "$@"; }
denied() {
  if as "$@" >/dev/null 2>said; then echo "$* was allowed"; exit 1; fi
  grep -Eq 'KS4003|denied' said || { echo "$* was refused otherwise:"; cat said; exit 1; }
}
"""
OPERATOR = """\
as operator krakenstate init
as operator krakenstate apply --site runner --auto-approve
krakenstate dev web create-key --account desk --api derivatives --general READ_ONLY --ip 192.0.2.10 \\
  | as operator krakenstate key ingest derivatives_key.hedger --site runner
krakenstate dev web create-key --account desk --api spot --name quoter-g1 \\
  --permission query-funds,query-open-trades --ip 192.0.2.10 \\
  | as inbox bao kv put -mount=kv krakenstate/first/inbox/quoter/spot_key.quoter -
as operator krakenstate settle --site runner
as operator krakenstate plan --site runner
"""
NARROWER = """\
as observer krakenstate observe --site runner
as observer krakenstate plan --site runner
as observer krakenstate drift --site runner
denied observer krakenstate settle --site runner
as planner krakenstate plan --refresh=false
as planner krakenstate task list
as planner krakenstate state show spot_key.quoter
as planner krakenstate state pull --out state.json
as planner krakenstate lock info
as planner krakenstate report credentials --format csv
as planner krakenstate key whois "$(as planner krakenstate report credentials --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["credentials"][0]["fingerprint"])')"
denied planner bao kv put -mount=kv krakenstate/first/lock released=true
denied planner krakenstate plan --site runner
denied planner bao kv get -mount=kv kraken/first/quoter/spot_key.quoter
denied inbox bao kv get -mount=kv krakenstate/first/inbox/quoter/spot_key.quoter
denied operator bao policy list
"""
VERIFIER = """\
cat >> stacks/first.py <<'EOF'
colo = stack.add(Allowlist(name="colo", networks=["203.0.113.7"]))
stack.add(DerivativesKey(name="bidder", account=desk, process=quoter, general=Access.READ_ONLY,
    transfer=Access.NO_ACCESS, allowlist=[colo]))
EOF
as operator krakenstate apply --site runner --auto-approve
krakenstate dev web create-key --account desk --api derivatives --general READ_ONLY --ip 203.0.113.7 \\
  | as operator krakenstate key ingest derivatives_key.bidder --site runner
krakenstate dev egress 203.0.113.7
as verifier krakenstate key verify derivatives_key.bidder --report --forbid transfer=READ_ONLY
krakenstate dev egress 192.0.2.10
as operator krakenstate settle --site runner
as observer krakenstate plan --site runner
as verifier krakenstate key verify spot_key.quoter --in-use
as operator krakenstate key rotate spot_key.quoter --now --reason test --site runner
denied verifier krakenstate key verify derivatives_key.hedger --report
denied verifier krakenstate settle --site runner
denied verifier krakenstate state list
denied verifier bao kv get -mount=kv kraken/first/hedger/derivatives_key.hedger
denied verifier bao kv get -mount=kv krakenstate/first/inbox/quoter/spot_key.quoter
denied verifier bao kv get -mount=kv krakenstate/first/quarantine/hedger/derivatives_key.hedger
denied verifier bao kv put -mount=kv krakenstate/first/evidence/hedger/derivatives_key.hedger a=b
denied verifier bao kv put -mount=kv krakenstate/first/quarantine/quoter/spot_key.quoter a=b
denied verifier bao kv put -mount=kv kraken/first/quoter/spot_key.quoter a=b
denied verifier bao kv get -mount=kv krakenstate/first/index
denied verifier bao kv metadata delete -mount=kv krakenstate/first/evidence/quoter/spot_key.quoter
"""


@pytest.mark.parametrize("name", ["planner", "observer", "operator", "inbox", "verifier"])
def test_the_policy_stands_in_the_page(name):
    """concepts.md holds a policy for each kind of token."""
    assert "capabilities" in POLICIES[name]


@pytest.mark.timeout(SCRIPT_MAX_S + 60)
def test_the_policies_are_enough_and_no_more(folder):
    """With its policy alone each token does what the page says, and is refused the next larger thing."""
    for name, policy in POLICIES.items():
        (folder / f"{name}.hcl").write_text(policy, encoding="utf-8")
    (folder / "stacks").mkdir()
    (folder / "stacks" / "first.py").write_text(STACK, encoding="utf-8")
    done = run(BEFORE + OPERATOR + NARROWER + VERIFIER, folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.count("No changes. Your accounts match the configuration.") == 4

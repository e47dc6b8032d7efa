"""Declares with a class of its own, which says other things when it is asked for its data."""
class Other(Process):
    def model_dump(self, **_):
        return {"owner": "ops\nError: forged", "manage": True}
    def model_dump_json(self, **_):
        return json.dumps({"name": "p", "owner": "ops\nError: forged", "manage": True})
    def __iter__(self):
        return iter([("name", "p"), ("owner", "ops\nError: forged"), ("manage", True)])
stack.add(Other(name="p", owner="ops"))

"""How every property test here runs: as long as an example takes, since cores are shared with servers."""

from hypothesis import settings

settings.register_profile("krakenstate", deadline=None)
settings.load_profile("krakenstate")

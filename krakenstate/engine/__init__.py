"""Planning, observing and applying: the subject of krakenstate."""

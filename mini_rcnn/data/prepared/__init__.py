"""How films become network-size arrays on disk: the plan of a run, one film, the shards."""

"""How bytes travel. The only place where errors of the network and of foreign libraries enter; they leave as ours."""

"""Where tokens come from: fixed, from a function, a server, a file, or a program."""

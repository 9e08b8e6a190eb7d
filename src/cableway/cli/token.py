"""``cableway token``: mint tokens, and look into them."""

from __future__ import annotations

import click

from cableway.cli.token_inspect import inspect
from cableway.cli.token_mint import mint

HELP = """\
Mint tokens by which AnyCable and Cableway's gateway know a client, and see what is in one.

\b
CABLEWAY_SECRET=... cableway token mint -i user_id=7 --life 1h
cableway token mint --secret-file secret.txt -i user_id=7 | cableway token inspect
cableway token inspect --token-env TOKEN --secret-env CABLEWAY_SECRET

Neither tokens nor secrets are taken from the command line: other users of the machine can read it.
"""


class _Group(click.Group):
    """Does not repeat what it does not know: it may be a token."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command."""
        if args and args[0] not in self.commands:
            ctx.fail(f"say what to do: {' or '.join(self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, help=HELP)
def token() -> None:
    """Hold the commands together."""


token.add_command(mint)
token.add_command(inspect)

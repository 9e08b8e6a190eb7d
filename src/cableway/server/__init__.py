"""What a back end needs: publish by HTTP to Cableway's gateway or AnyCable, sign names of streams, and mint tokens."""

from __future__ import annotations

from cableway.auth.minting import mint_token
from cableway.auth.signing import broadcast_key, sign_stream, verify_stream
from cableway.server.publisher import Publisher, broadcast_url, publish

__all__ = ["Publisher", "broadcast_key", "broadcast_url", "mint_token", "publish", "sign_stream", "verify_stream"]
